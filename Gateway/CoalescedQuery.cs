using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;

namespace MicroPlatform.Gateway;

/// <summary>
/// Shares one answer between all callers. A call gathers a new answer only if the last one is older than <see cref="Lifetime"/>.
/// </summary>
internal sealed class CoalescedQuery<T>(TimeProvider time) : IDisposable
    where T : class
{
    /// <summary>How old an answer may be.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim gathering = new(1, 1);
    private Answer? last;

    public void Dispose() => gathering.Dispose();

    public async Task<T> GetAsync(Func<CancellationToken, Task<T>> gather, CancellationToken cancellationToken)
    {
        if (Fresh() is { } known)
        {
            return known;
        }

        await gathering.WaitAsync(cancellationToken);
        try
        {
            if (Fresh() is { } meanwhile)
            {
                return meanwhile;
            }

            var value = await gather(cancellationToken);
            last = new(value, time.GetTimestamp());
            return value;
        }
        finally
        {
            gathering.Release();
        }
    }

    private T? Fresh() => last is { } answer && time.GetElapsedTime(answer.At) < Lifetime ? answer.Value : null;

    private sealed record Answer(T Value, long At);
}

/// <summary>Sends a changing value as server-sent events.</summary>
internal sealed class LiveStreams(TimeProvider time, IHostApplicationLifetime host)
{
    // Shorter than the idle time-out of any proxy on the way.
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Sends the value of <paramref name="look"/> at once and whenever it changes, and a <c>heartbeat</c> while it stays the same. Ends
    /// when the Gateway stops, and with the event <c>expired</c> at the time <paramref name="until"/> or when <paramref name="look"/>
    /// returns null.
    /// </summary>
    public async IAsyncEnumerable<SseItem<string>> WatchAsync(
        string name, Func<CancellationToken, Task<string?>> look, DateTimeOffset until,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, host.ApplicationStopping);
        var (sent, sentAt) = ("", time.GetTimestamp());
        while (!leaving.IsCancellationRequested)
        {
            var seen = time.GetUtcNow() < until ? await LookAsync() : null;
            if (leaving.IsCancellationRequested)
            {
                yield break;
            }

            if (seen is null)
            {
                yield return new("bye", "expired");
                yield break;
            }

            if (!string.Equals(seen, sent, StringComparison.Ordinal))
            {
                (sent, sentAt) = (seen, time.GetTimestamp());
                yield return new(seen, name) { ReconnectionInterval = CoalescedQuery<string>.Lifetime };
            }
            else if (time.GetElapsedTime(sentAt) >= HeartbeatPeriod)
            {
                sentAt = time.GetTimestamp();
                yield return new("still here", "heartbeat");
            }

            // A caller that disconnects, or a Gateway that stops, is no failure.
            await Task.Delay(CoalescedQuery<string>.Lifetime, time, leaving.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task<string?> LookAsync()
        {
            try
            {
                return await look(leaving.Token);
            }
            catch (OperationCanceledException) when (leaving.IsCancellationRequested)
            {
                return null;
            }
        }
    }
}

/// <summary>Marks an endpoint whose answers stay open, so that their number is limited.</summary>
internal sealed class StreamMetadata;
