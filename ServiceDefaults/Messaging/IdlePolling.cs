using System.Diagnostics;
using Rebus.Workers.ThreadPoolBased;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// How long a service waits before it looks for messages again. While none come, one of its receivers looks every so often and the
/// others sleep until it finds one: an idle service costs one query an interval, not one for each receiver.
/// </summary>
internal sealed class IdlePolling(TimeSpan interval) : IBackoffStrategy
{
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BusyFor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterError = TimeSpan.FromSeconds(1);

    private TaskCompletionSource arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long lastArrival;
    private int isSomeoneLooking;

    // Messages seldom come alone.
    private TimeSpan Pause => interval > Busy && Stopwatch.GetElapsedTime(Volatile.Read(ref lastArrival)) < BusyFor ? Busy : interval;

    /// <summary>A message came.</summary>
    public void Reset()
    {
        Volatile.Write(ref lastArrival, Stopwatch.GetTimestamp());
        Interlocked.Exchange(ref arrival, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    public async Task WaitNoMessageAsync(CancellationToken token)
    {
        var next = Volatile.Read(ref arrival).Task;
        if (Interlocked.Exchange(ref isSomeoneLooking, 1) == 1)
        {
            await next.WaitAsync(token);
            return;
        }

        try
        {
            await Task.Delay(Pause, token);
        }
        finally
        {
            Volatile.Write(ref isSomeoneLooking, 0);
        }
    }

    /// <summary>Every receiver is waiting or at work.</summary>
    public void Wait(CancellationToken token) => token.WaitHandle.WaitOne(Pause);

    public Task WaitAsync(CancellationToken token) => Task.Delay(Pause, token);

    public void WaitNoMessage(CancellationToken token) => Wait(token);

    public void WaitError(CancellationToken token) => token.WaitHandle.WaitOne(AfterError);

    public Task WaitErrorAsync(CancellationToken token) => Task.Delay(AfterError, token);
}
