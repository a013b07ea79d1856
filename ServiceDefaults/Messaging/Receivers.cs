using System.Threading.Channels;
using Rebus.Workers.ThreadPoolBased;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// Lets the receivers of a service sleep while no message arrives. A signal wakes one, and each receiver that finds a message wakes the
/// next. So an idle service runs no statement, and a burst uses all receivers within milliseconds.
/// </summary>
/// <param name="count">The number of receivers.</param>
internal sealed class Receivers(int count) : IBackoffStrategy
{
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan ErrorDelay = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> signal =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly object worker = new();
    private int asleep;

    /// <summary>Lets one receiver look for a message. A signal that comes while all are at work is kept.</summary>
    public void Signal() => signal.Writer.TryWrite(true);

    /// <summary>A receiver found a message. The next one is woken, because more messages are likely.</summary>
    public void Reset() => Signal();

    /// <summary>A receiver found no message.</summary>
    public async Task WaitNoMessageAsync(CancellationToken token)
    {
        Count(1);
        try
        {
            await signal.Reader.ReadAsync(token);
        }
        finally
        {
            Count(-1);
        }
    }

    public void WaitNoMessage(CancellationToken token) => WaitNoMessageAsync(token).GetAwaiter().GetResult();

    /// <summary>
    /// The worker, which starts receivers, found no free one: all are asleep, or some are busy and will be free soon.
    /// </summary>
    public void Wait(CancellationToken token)
    {
        using var stop = token.Register(() => Count(0));
        lock (worker)
        {
            if (!token.IsCancellationRequested)
            {
                Monitor.Wait(worker, asleep < count ? Busy : Timeout.InfiniteTimeSpan);
            }
        }
    }

    public Task WaitAsync(CancellationToken token) => Task.Delay(Busy, token);

    public void WaitError(CancellationToken token) => token.WaitHandle.WaitOne(ErrorDelay);

    public Task WaitErrorAsync(CancellationToken token) => Task.Delay(ErrorDelay, token);

    private void Count(int more)
    {
        lock (worker)
        {
            asleep += more;
            Monitor.Pulse(worker);
        }
    }
}
