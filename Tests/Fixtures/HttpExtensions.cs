using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The content of an error answer: its status, the fields that it names, and its detail.</summary>
internal sealed record Problem(HttpStatusCode Status, IReadOnlyList<string> Fields, string Detail);

/// <summary>Helpers for requests and answers.</summary>
internal static class HttpExtensions
{
    /// <summary>Sends a request; <paramref name="body"/> is serialized as JSON, or sent as it is when it is a string.</summary>
    public static async Task<HttpResponseMessage> SendAsync(
        this HttpClient http, string method, string path, object? body =
            null, string? token = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new(method), path);
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        request.Content = body switch
        {
            null => null,
            string text => new StringContent(text, Encoding.UTF8, "application/json"),
            _ => JsonContent.Create(body, body.GetType()),
        };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
            {
                request.Content!.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return await http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>The body as JSON; fails if the answer has another status.</summary>
    public static async Task<JsonElement> JsonAsync(this Task<HttpResponseMessage> sending, HttpStatusCode expected = HttpStatusCode.OK)
    {
        using var response = await sending;
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(
            response.StatusCode == expected,
            $"{response.RequestMessage?.Method} {response.RequestMessage?.RequestUri} gave {(int)response.StatusCode}: {text}");
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The status alone.</summary>
    public static async Task<HttpStatusCode> StatusAsync(this Task<HttpResponseMessage> sending)
    {
        using var response = await sending;
        return response.StatusCode;
    }

    /// <summary>The content of an error answer; fails unless it is problem details.</summary>
    public static async Task<Problem> ProblemAsync(this Task<HttpResponseMessage> sending)
    {
        using var response = await sending;
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(
            response.Content.Headers.ContentType?.MediaType is "application/problem+json",
            $"{(int)response.StatusCode} is not problem details: {text}");
        var body = JsonDocument.Parse(text).RootElement;
        Assert.Equal((int)response.StatusCode, body.GetProperty("status").GetInt32());
        return new(
            response.StatusCode,
            body.TryGetProperty("errors", out var errors)
                ? [.. errors.EnumerateObject().Select(error => error.Name).Order(StringComparer.Ordinal)]
                : [],
            body.TryGetProperty("detail", out var detail) ? detail.GetString()! : "");
    }
}

/// <summary>A body of unknown length, which HTTP/1.1 sends in chunks.</summary>
internal sealed class ChunkedContent(string text) : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        stream.WriteAsync(Encoding.UTF8.GetBytes(text)).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
