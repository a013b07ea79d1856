using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Grpc.Core;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Gateway;

/// <summary>Reads from the services over REST with the caller's own token.</summary>
internal static class ServiceClients
{
    // The services may return more fields than the Gateway shows.
    private static readonly JsonSerializerOptions ReadOptions =
        new(Json.Apply(new(JsonSerializerDefaults.Web))) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip };

    public static void AddRestClient(this WebApplicationBuilder builder, string service)
    {
        var deadline = builder.CallDeadline();
        builder.Services.AddHttpClient(service, client => (client.BaseAddress, client.Timeout) = (new($"http://{service}"), deadline));
    }

    public static async Task<T> FetchAsync<T>(
        this IHttpClientFactory http, string service, string path, string? token, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var client = http.CreateClient(service);
        using var response = await client.SendAsync(request, cancellationToken);
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<T>(ReadOptions, cancellationToken))!;
    }

    /// <summary>Whether the service refused, took too long or failed; callers get the same answer in all cases.</summary>
    public static bool IsDown(this Exception failure) =>
        failure is HttpRequestException
            or OperationCanceledException { InnerException: TimeoutException }
            or RpcException { StatusCode: not StatusCode.Cancelled };
}
