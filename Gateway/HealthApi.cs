using System.Text.Json;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.ServiceDiscovery;

namespace MicroPlatform.Gateway;

/// <summary>The health of the services, open to everyone. One query serves all viewers, and the answer contains no addresses.</summary>
internal static class HealthApi
{
    private const string Probe = "health-probe";

    public static void AddHealthApi(this WebApplicationBuilder builder)
    {
        var deadline = builder.CallDeadline();
        builder.Services.AddSingleton<LiveStreams>();
        builder.Services.AddSingleton<CoalescedQuery<PlatformHealth>>();
        var probe = builder.Services.AddHttpClient(Probe, client => client.Timeout = deadline);
        // A replica that does not answer is shown as down at once.
#pragma warning disable EXTEXP0001 // experimental, and the only way to exclude one client
        probe.RemoveAllResilienceHandlers();
#pragma warning restore EXTEXP0001
    }

    public static void MapHealthApi(this IEndpointRouteBuilder app)
    {
        var health = app.MapGroup("/health/services").AnswerHead().AllowAnonymous().ExcludeFromDescription();
        health.MapGet("/", GetAsync);
        health.MapGet("/stream", Stream).WithMetadata(new StreamMetadata());
    }

    private static async Task<Ok<PlatformHealth>> GetAsync(
        HttpResponse response, CoalescedQuery<PlatformHealth> query, ServiceEndpointResolver resolver, IHttpClientFactory http,
        CancellationToken cancellationToken)
    {
        response.Headers.CacheControl = "no-cache";
        return TypedResults.Ok(await query.GetAsync(cancel => GatherAsync(resolver, http, cancel), cancellationToken));
    }

    private static ServerSentEventsResult<string> Stream(
        CoalescedQuery<PlatformHealth> query, LiveStreams streams, ServiceEndpointResolver resolver, IHttpClientFactory http,
        IOptions<JsonOptions> json, CancellationToken cancellationToken) =>
        TypedResults.ServerSentEvents(streams.WatchAsync(
            "health",
            async leaving => JsonSerializer.Serialize(
                await query.GetAsync(cancel => GatherAsync(resolver, http, cancel), leaving), json.Value.SerializerOptions),
            DateTimeOffset.MaxValue,
            cancellationToken));

    private static async Task<PlatformHealth> GatherAsync(
        ServiceEndpointResolver resolver, IHttpClientFactory http, CancellationToken cancellationToken)
    {
        using var client = http.CreateClient(Probe);
        var services = await Task.WhenAll(Routes.Services.Select(service => CheckAsync(service, resolver, client, cancellationToken)));
        var isReady = Array.TrueForAll(services, service => service.Status is ServiceStatus.Ready);
        return new(
            isReady ? ServiceStatus.Ready : ServiceStatus.Degraded,
            [new("gateway", ServiceStatus.Ready, 1, 1), .. services]);
    }

    private static async Task<ServiceHealth> CheckAsync(
        string service, ServiceEndpointResolver resolver, HttpClient client, CancellationToken cancellationToken)
    {
        var source = await resolver.GetEndpointsAsync($"http://{service}", cancellationToken);
        var answers = await Task.WhenAll(source.Endpoints.Select(endpoint =>
            IsReadyAsync(new Uri(new(Replicas.AddressOf(endpoint, Uri.UriSchemeHttp)), "/health/ready"), client, cancellationToken)));
        var ready = answers.Count(answer => answer is true);
        return new(service, ready == answers.Length && ready > 0 ? ServiceStatus.Ready
            : ready > 0 ? ServiceStatus.Degraded
            : answers.Contains(false) ? ServiceStatus.Unready
            : ServiceStatus.Down, ready, answers.Length);
    }

    /// <returns>Whether it is ready; null when it does not answer.</returns>
    private static async Task<bool?> IsReadyAsync(Uri address, HttpClient client, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await client.GetAsync(address, cancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception failure) when (failure is HttpRequestException
            || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }
}
