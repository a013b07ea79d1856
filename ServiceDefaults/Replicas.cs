using System.Collections.Concurrent;
using Microsoft.Extensions.ServiceDiscovery;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The replicas of a service as service discovery knows them.</summary>
public static class Replicas
{
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Waits before an attempt is repeated, 50 ms longer each time: one address may stand for several replicas, and another may answer. It
    /// is real time, because tests stop the application's clock.
    /// </summary>
    /// <param name="repetition">Which repetition follows, from 1.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static Task WaitBeforeAsync(int repetition, CancellationToken cancellationToken) =>
        Task.Delay(BetweenAttempts * repetition, cancellationToken);

    /// <summary>Where a replica listens, as an address without a path.</summary>
    public static string AddressOf(ServiceEndpoint endpoint, string scheme) => endpoint.EndPoint is UriEndPoint { Uri: var uri }
        ? uri.GetLeftPart(UriPartial.Authority)
        : $"{scheme}://{endpoint}";

    /// <summary>
    /// Whether the request never reached a replica, so that another may receive it, even if it is unsafe to repeat.
    /// </summary>
    public static bool NeverArrived(this Exception? failure) => failure
        is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError }
        or OperationCanceledException { InnerException: TimeoutException } // connecting took too long
        or Polly.CircuitBreaker.BrokenCircuitException; // the circuit is open
}

/// <summary>
/// Sends requests to the replicas of a service in turn. An unreachable replica is skipped for the next seconds. A request that may have
/// arrived is sent to another replica only if it is a GET.
/// </summary>
internal sealed class ReplicaHandler(ServiceEndpointResolver resolver, TimeProvider time) : DelegatingHandler
{
    // Within this time an orchestrator has usually started another replica; otherwise a new attempt costs one refused connection.
    private static readonly TimeSpan Avoidance = TimeSpan.FromSeconds(2);
    private static readonly ConcurrentDictionary<string, long> FailedAt = new(StringComparer.Ordinal);
    private static int turn;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var wanted = request.RequestUri!;
        var source = await resolver.GetEndpointsAsync(wanted.GetLeftPart(UriPartial.Authority), cancellationToken);
        if (source.Endpoints.Count < 2)
        {
            return await base.SendAsync(request, cancellationToken);
        }

        string[] addresses = [.. source.Endpoints.Select(endpoint => Replicas.AddressOf(endpoint, wanted.Scheme))];
        var first = (int)((uint)Interlocked.Increment(ref turn) % (uint)addresses.Length);
        var last = addresses.Length - 1;
        foreach (var (attempt, address) in addresses[first..].Concat(addresses[..first]).OrderBy(HasFailed).Index())
        {
            request.RequestUri = new Uri(new Uri(address), wanted.PathAndQuery);
            try
            {
                return await base.SendAsync(request, cancellationToken);
            }
            catch (Exception failure) when (failure is HttpRequestException || failure.NeverArrived())
            {
                FailedAt[address] = time.GetTimestamp();
                var mayRepeat = request.Method == HttpMethod.Get || failure.NeverArrived();
                if (attempt == last || !mayRepeat || cancellationToken.IsCancellationRequested)
                {
                    throw;
                }
            }
        }

        throw new InvalidOperationException("Every address was tried.");
    }

    private bool HasFailed(string address) => FailedAt.TryGetValue(address, out var at) && time.GetElapsedTime(at) < Avoidance;
}
