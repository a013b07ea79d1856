using System.Net;
using System.Text.Json.Nodes;

namespace MicroPlatform.Tests.Contract;

/// <summary>The errors of the API.</summary>
internal static class Problems
{
    /// <summary>Checks that the error is problem details, and returns them.</summary>
    public static async Task<JsonNode> ProblemAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var request = $"{response.RequestMessage!.Method} {response.RequestMessage.RequestUri!.PathAndQuery}";
        Assert.True(
            status == response.StatusCode && response.Content.Headers.ContentType?.MediaType is "application/problem+json",
            $"{request} gave {(int)response.StatusCode}, not {(int)status}: {text}");
        var problem = JsonNode.Parse(text)!;
        Assert.Equal(
            ((int)status, Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase((int)status)),
            (problem["status"]!.GetValue<int>(), problem["title"]!.GetValue<string>()));
        Assert.NotEmpty(problem["detail"]!.GetValue<string>());
        Assert.NotEmpty(problem["traceId"]!.GetValue<string>());
        Assert.Equal(Assert.Single(response.Headers.GetValues("X-Request-Id")), problem["requestId"]!.GetValue<string>());
        return problem;
    }
}
