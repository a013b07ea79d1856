using System.Collections.Concurrent;
using System.Diagnostics;

namespace MicroPlatform.Bench;

/// <summary>Measures the path from the checkout of a cart to the posted transaction, at a steady rate.</summary>
/// <param name="Accepted">How many carts were checked out.</param>
/// <param name="Request">The times of the requests, in milliseconds, sorted.</param>
/// <param name="Posted">The times from the request to the posted transaction, in milliseconds, sorted.</param>
/// <param name="CpuMicroseconds">Processor time for one checkout with all that follows, by process.</param>
internal sealed record Checkouts(int Accepted, double[] Request, double[] Posted, IReadOnlyDictionary<string, double> CpuMicroseconds)
{
    public const int PerSecond = 20;

    private static readonly TimeSpan CheckInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static async Task<Checkouts> MeasureAsync(Platform platform, Data data, IReadOnlyList<Account> accounts, int seconds)
    {
        Client[] clients = [.. accounts.Select((account, number) => new Client(platform.Address("gateway.http"), account, number))];
        // The books are followed in the database: a request every few milliseconds would load the services that are measured.
        await using var books = await data.OpenAsync("accountingdb");
        var (sent, posted) = (new ConcurrentDictionary<long, long>(), new ConcurrentDictionary<long, long>());
        var (requests, driven) = (new ConcurrentBag<double>(), new TaskCompletionSource());
        var lastId = await ReadBooksAsync(after: 0);
        await Task.WhenAll(clients.Select(async client =>
        {
            await client.SendAsync(client.Rest(HttpMethod.Delete, "/api/v1/carts/me", client.Account.Customer));
            await FillAsync(client);
        }));
        var before = platform.Processes.CpuSeconds();
        var reading = Task.Run(FollowBooksAsync);
        using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / PerSecond));
        // A customer cannot order again before the last order is decided. When none is free, the platform is slower than the rate.
        var (running, free) = (new List<Task>(), new ConcurrentQueue<Client>(clients));
        for (var number = 0; number < PerSecond * seconds && await tick.WaitForNextTickAsync(); number++)
        {
            if (free.TryDequeue(out var client))
            {
                running.Add(CheckOutAsync(client));
            }
        }

        await Task.WhenAll(running);
        driven.SetResult();
        await reading.WaitAsync(Timeout);
        var after = platform.Processes.CpuSeconds();
        Array.ForEach(clients, client => client.Dispose());
        return new(
            sent.Count,
            [.. requests.Order()],
            [.. sent.Select(order => Stopwatch.GetElapsedTime(order.Value, posted[order.Key]).TotalMilliseconds).Order()],
            after.ToDictionary(now => now.Key, now => (now.Value - before[now.Key]) * 1_000_000 / sent.Count, StringComparer.Ordinal));

        async Task CheckOutAsync(Client client)
        {
            var start = Stopwatch.GetTimestamp();
            var order = await client.JsonAsync(client.Rest(HttpMethod.Post, "/api/v1/carts/me/checkout", client.Account.Customer));
            requests.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            var id = order.GetProperty("orderId").GetInt64();
            sent[id] = start;
            for (var since = Stopwatch.StartNew(); !posted.ContainsKey(id) && since.Elapsed < Timeout;)
            {
                await Task.Delay(CheckInterval);
            }

            await FillAsync(client);
            free.Enqueue(client);
        }

        // A cart that is being checked out stays as it is until Cart knows the decision, which may be later than the books.
        async Task FillAsync(Client client)
        {
            for (var since = Stopwatch.StartNew(); since.Elapsed < Timeout;)
            {
                var item = new { productId = 1, quantity = 1 };
                if (await client.SendAsync(client.Rest(HttpMethod.Post, "/api/v1/carts/me/items", client.Account.Customer, item)))
                {
                    return;
                }

                await Task.Delay(CheckInterval);
            }
        }

        async Task FollowBooksAsync()
        {
            while (!driven.Task.IsCompleted || !sent.Keys.All(posted.ContainsKey))
            {
                lastId = await ReadBooksAsync(lastId);
                await Task.Delay(CheckInterval);
            }
        }

        // Ids are given before the commit, so a lower one may appear later than a higher one: the last hundred are read again.
        async Task<long> ReadBooksAsync(long after)
        {
            await using var command = Data.Command(books, "SELECT id, order_id FROM transactions WHERE id > $1 ORDER BY id", after - 100);
            await using var rows = await command.ExecuteReaderAsync();
            while (await rows.ReadAsync())
            {
                posted.TryAdd(rows.GetInt64(1), Stopwatch.GetTimestamp());
                after = Math.Max(after, rows.GetInt64(0));
            }

            return after;
        }
    }
}
