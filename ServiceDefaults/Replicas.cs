using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.ServiceDiscovery;
using Polly;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Calls to services whose replicas come and go.</summary>
public static class Replicas
{
    /// <summary>How long to wait before a request is repeated for the first time, and how much longer each further time.</summary>
    public static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(50);

    // One address may stand for several replicas, and each attempt may meet one that is still starting. All attempts take about 1.4 s.
    private const int MaxRetries = 10;
    private const int MaxDelayFactor = 3;

    /// <summary>
    /// Sends a request again when a replica has just ended or is still starting: every request that never arrived, and those that are safe
    /// to repeat. These are GET, and all gRPC methods between services (their <c>.proto</c> states an <c>idempotency_level</c>).
    /// </summary>
    public static IHttpClientBuilder AddRetries(this IHttpClientBuilder http)
    {
        http.AddResilienceHandler("retries", pipeline =>
        {
            pipeline.TimeProvider = TimeProvider.System; // tests stop the application's clock
            pipeline.AddRetry(new HttpRetryStrategyOptions
            {
                MaxRetryAttempts = MaxRetries,
                BackoffType = DelayBackoffType.Linear,
                Delay = RetryDelay,
                MaxDelay = MaxDelayFactor * RetryDelay,
                UseJitter = false,
                ShouldRetryAfterHeader = false, // another replica may answer at once
                ShouldHandle = attempt => ValueTask.FromResult(attempt.Outcome.Exception.NeverArrived()
                    || (IsSafe(attempt.Context.GetRequestMessage()!) && IsTransient(attempt.Outcome))),
            });
        });
        return http;
    }

    /// <summary>Where a replica listens, as an address without a path.</summary>
    public static string AddressOf(ServiceEndpoint endpoint, string scheme) => endpoint.EndPoint is UriEndPoint { Uri: var uri }
        ? uri.GetLeftPart(UriPartial.Authority)
        : $"{scheme}://{endpoint}";

    /// <summary>
    /// Whether the request never reached a replica, so that another may receive it, even if it is unsafe to repeat.
    /// </summary>
    public static bool NeverArrived(this Exception? failure) => failure
        is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError }
        or OperationCanceledException { InnerException: TimeoutException }; // connecting took too long

    private static bool IsSafe(HttpRequestMessage request) =>
        request.Method == HttpMethod.Get || request.Content?.Headers.ContentType?.MediaType is "application/grpc";

    /// <summary>Whether the failure may pass by itself. A gRPC call that was refused has its status in the headers.</summary>
    private static bool IsTransient(Outcome<HttpResponseMessage> outcome) =>
        HttpClientResiliencePredicates.IsTransient(outcome)
        || (outcome.Result?.Headers.TryGetValues("grpc-status", out var status) == true
            && string.Equals(status.First(), $"{(int)StatusCode.Unavailable}", StringComparison.Ordinal));
}
