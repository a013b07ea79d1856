using System.Diagnostics;

namespace MicroPlatform.Bench;

/// <summary>The measured throughput, latency and cost of requests.</summary>
/// <param name="PerSecond">Requests answered in a second.</param>
/// <param name="P50">Half of them took no longer, in milliseconds.</param>
/// <param name="P99">99 of 100 took no longer, in milliseconds.</param>
/// <param name="Failed">How many were refused or not answered.</param>
/// <param name="CpuMicroseconds">Processor time for one request, by process.</param>
internal sealed record Load(double PerSecond, double P50, double P99, int Failed, IReadOnlyDictionary<string, double> CpuMicroseconds)
{
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(30);

    // The JIT optimizes what is hot when no new code has run for 100 ms.
    private static readonly TimeSpan Optimizing = TimeSpan.FromSeconds(0.5);
    private const int FewMethods = 20;
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromMinutes(1);

    public double TotalMicroseconds => CpuMicroseconds.Values.Sum();

    /// <summary>
    /// Sends requests until the JIT has optimized the code that answers them: in rounds, until one has compiled almost nothing, for half a
    /// minute at most.
    /// </summary>
    public static Task WarmUpAsync(
        IReadOnlyList<Client> clients, Func<Client, Task<bool>> sendAsync, Processes processes, int requests = 2_500)
    {
        return WarmUpAsync(processes, async ct =>
        {
            var sent = 0;
            await Task.WhenAll(clients.Select(client => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref sent) <= requests && !ct.IsCancellationRequested)
                {
                    await sendAsync(client);
                }
            })));
        });
    }

    /// <summary>
    /// Repeats a round until it compiles almost nothing; after half a minute, or <paramref name="atMost"/>, its token is cancelled.
    /// </summary>
    public static async Task WarmUpAsync(Processes processes, Func<CancellationToken, Task> roundAsync, TimeSpan? atMost = null)
    {
        using var longest = new CancellationTokenSource(atMost ?? LongestWarmUp);
        long before, compiled = 0;
        do
        {
            await roundAsync(longest.Token);
            await Task.Delay(Optimizing);
            before = compiled;
            (_, compiled) = await processes.RuntimeCountersAsync();
        }
        while (compiled - before > FewMethods && !longest.IsCancellationRequested);
    }

    /// <summary>Lets all clients send requests in a loop, and measures once their connections are open.</summary>
    public static async Task<Load> RunAsync(IReadOnlyList<Client> clients, Func<Client, Task<bool>> sendAsync, TimeSpan time,
        Processes processes)
    {
        var (measuring, stopping, answered, failed) = (false, false, 0, 0);
        var running = clients.Select(client => Task.Run(() => AskAsync(client))).ToList();
        await Task.Delay(Settling);
        var (before, since) = (processes.CpuSeconds(), Stopwatch.StartNew());
        Volatile.Write(ref measuring, true);
        await Task.Delay(time);
        while (Volatile.Read(ref answered) < 2 * clients.Count && since.Elapsed < LongestAnswer)
        {
            await Task.Delay(Settling); // hashing a password takes longer than the others
        }

        Volatile.Write(ref measuring, false);
        var (after, seconds) = (processes.CpuSeconds(), since.Elapsed.TotalSeconds);
        Volatile.Write(ref stopping, true);
        var taken = (await Task.WhenAll(running)).SelectMany(times => times).Order().ToArray();
        return taken.Length == 0
            ? throw new BenchException("No request was answered.")
            : new(taken.Length / seconds, taken[taken.Length / 2], taken[(int)(taken.Length * 0.99)], failed,
                after.ToDictionary(now =>
                    now.Key, now => (now.Value - before[now.Key]) * 1_000_000 / taken.Length, StringComparer.Ordinal));

        async Task<List<double>> AskAsync(Client client)
        {
            var times = new List<double>();
            while (!Volatile.Read(ref stopping))
            {
                var sent = Stopwatch.GetTimestamp();
                var succeeded = await sendAsync(client);
                if (Volatile.Read(ref measuring))
                {
                    times.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
                    Interlocked.Increment(ref answered);
                    _ = succeeded || Interlocked.Increment(ref failed) > 0;
                }
            }

            return times;
        }
    }
}
