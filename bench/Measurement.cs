using System.Diagnostics;
using System.Globalization;

namespace MicroPlatform.Bench;

/// <summary>A whole run, from the build to the written results.</summary>
internal static class Measurement
{
    private const int IdleSeconds = 20;
    private const int Counted = 50;
    private const int RatioClients = 16;
    private static readonly TimeSpan BeforeIdle = TimeSpan.FromSeconds(10);

    // The path of an order has more code than a request, and runs less often.
    private static readonly TimeSpan LongestCheckoutWarmUp = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongestBeforeIdle = TimeSpan.FromMinutes(3);

    // Pages of one row, so that their size does not depend on the table: the first, the last, and filters that find nothing.
    private static readonly (string Name, string Service, string Path)[] Pages =
    [
        ("products, first page", "Cart", "/api/v1/products?limit=1"),
        ("products, no such name", "Cart", "/api/v1/products?limit=1&search=xyzzy"),
        ("products, common name", "Cart", "/api/v1/products?limit=1&search=product"),
        ("warehouse, first page", "Warehouse", "/api/v1/warehouse/items?limit=1"),
        ("warehouse, no such name", "Warehouse", "/api/v1/warehouse/items?limit=1&name=xyzzy"),
        ("warehouse, no such country", "Warehouse", "/api/v1/warehouse/items?limit=1&country=xyzzy"),
        ("to-dos, first page", "Todo", "/api/v1/todos?limit=1"),
        ("to-dos, no such text", "Todo", "/api/v1/todos?limit=1&search=xyzzy"),
        ("orders, first page", "Sales", "/api/v1/sales/orders?limit=1"),
        ("orders of a customer without", "Sales", "/api/v1/sales/orders?limit=1&customerId=999999999"),
    ];

    public static async Task RunAsync(Options options)
    {
        var started = Stopwatch.StartNew();
        await Platform.BuildAsync(options);
        var folder = Directory.CreateTempSubdirectory("bench-data-").FullName;
        var report = new Report(options);
        try
        {
            await using (var first = await StartAsync(folder, options))
            {
                report.Ready("first start, empty databases", first.SecondsToReady);
                await new Data(first).PreloadStatementCounterAsync();
            }

            await using var platform = await StartAsync(folder, options);
            report.Ready("second start", platform.SecondsToReady);
            report.Memory("ready", platform.Processes.PssMiB());
            var data = new Data(platform);
            await data.AddStatementCounterAsync();
            report.Machine = Machine.Describe(await data.VersionAsync());

            Say("Registering customers");
            var accounts = await Account.CreateAsync(platform.Address("gateway.http"), Math.Max(options.Clients.Max(), RatioClients));
            if (options.Flows.Length == 0)
            {
                await MeasurePagesAsync(platform, accounts, report, "demo data", options);
            }

            Say($"Adding {options.Rows} rows to each list");
            await data.AddRowsAsync(options.Rows);
            if (options.Flows.Length == 0)
            {
                await MeasurePagesAsync(platform, accounts, report, $"{options.Rows} rows more", options);
            }

            foreach (var flow in Flow.All.Where(flow =>
                options.Flows.Length == 0 || options.Flows.Contains(flow.Name, StringComparer.Ordinal)))
            {
                await MeasureAsync(platform, data, flow, accounts, report, options);
            }

            foreach (var count in options.Clients.Append(RatioClients).Distinct())
            {
                Say($"References, {count} clients");
                report.References(count, await References.MeasureAsync(platform, count, options));
            }

            report.SignatureMicroseconds = References.SignatureMicroseconds();
            if (options.Flows.Length == 0 || options.Flows.Contains(Flow.Checkout, StringComparer.Ordinal))
            {
                Say($"Checking out {Checkouts.PerSecond} times a second");
                await Load.WarmUpAsync(
                    platform.Processes, _ => Checkouts.MeasureAsync(platform, data, accounts, seconds: 5), LongestCheckoutWarmUp);
                report.Checkouts = await Checkouts.MeasureAsync(platform, data, accounts, seconds: 5 * options.Seconds);
            }

            report.Memory("after load", platform.Processes.PssMiB());
            report.Connections = await data.ConnectionsAsync();
            Say("Idling");
            // The JIT optimizes in the background what the load has used; that is no part of the rest.
            await Load.WarmUpAsync(platform.Processes, _ => Task.Delay(BeforeIdle, CancellationToken.None), LongestBeforeIdle);
            await MeasureIdleAsync(platform, report);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        report.Minutes = started.Elapsed.TotalMinutes;
        await report.WriteAsync(Path.Combine(Platform.Root, "bench", "RESULTS.md"));
    }

    private static async Task<Platform> StartAsync(string folder, Options options)
    {
        Say("Starting the platform");
        return await Platform.StartAsync(folder, options);
    }

    private static async Task MeasureIdleAsync(Platform platform, Report report)
    {
        var before = platform.Processes.CpuSeconds();
        var since = Stopwatch.StartNew();
        await Task.Delay(TimeSpan.FromSeconds(IdleSeconds));
        report.Idle(platform.Processes.CpuSeconds().ToDictionary(
            now => now.Key, now => 100 * (now.Value - before[now.Key]) / since.Elapsed.TotalSeconds, StringComparer.Ordinal));
    }

    private static async Task MeasurePagesAsync(Platform platform, Account[] accounts, Report report, string when, Options options)
    {
        foreach (var (name, service, path) in Pages)
        {
            Say($"{name}, {when}");
            using var client = new Client(platform.Address($"{service.ToLowerInvariant()}.http"), accounts[0], 0);
            var token = service switch { "Cart" => null, "Todo" => client.Account.User, _ => client.Account.Staff };
            Task<bool> SendAsync(Client caller) => caller.SendAsync(caller.Rest(HttpMethod.Get, path, token));
            await Load.WarmUpAsync([client], SendAsync, platform.Processes, requests: 1_000);
            report.Page(name, when, await Load.RunAsync([client], SendAsync, TimeSpan.FromSeconds(Math.Min(options.Seconds, 2)),
                platform.Processes));
        }
    }

    private static async Task MeasureAsync(Platform platform, Data data, Flow flow, Account[] accounts, Report report, Options options)
    {
        (string Via, Uri Address)[] ways =
        [
            ("Gateway", platform.Address(flow.IsGrpc ? "gateway.https" : "gateway.http")),
            ("direct", platform.Address($"{flow.Service.ToLowerInvariant()}.{(flow.IsGrpc ? "grpc" : "http")}")),
        ];
        foreach (var (via, address) in ways)
        {
            await WithClientsAsync(RatioClients, async clients =>
            {
                await Load.WarmUpAsync(clients, flow.SendAsync, platform.Processes);
                return clients.Length;
            });
            var (statements, bytes) = await WithClientsAsync(1, clients => CountAsync(platform, data, flow, clients[0]));
            foreach (var count in options.Clients)
            {
                Say($"{flow.Name}, {via}, {count} clients");
                var load = await WithClientsAsync(count, clients =>
                    Load.RunAsync(clients, flow.SendAsync, TimeSpan.FromSeconds(options.Seconds), platform.Processes));
                report.Add(new(flow, via, count, load, statements, bytes));
            }

            async Task<T> WithClientsAsync<T>(int count, Func<Client[], Task<T>> use)
            {
                Client[] clients = [.. accounts.Take(count).Select((account, number) => new Client(address, account, number))];
                var result = await use(clients);
                Array.ForEach(clients, client => client.Dispose());
                return result;
            }
        }
    }

    /// <summary>Statements and allocated bytes of one request, from 50 that follow one another.</summary>
    private static async Task<(double Statements, double Bytes)> CountAsync(Platform platform, Data data, Flow flow, Client client)
    {
        await flow.SendAsync(client);
        var (statements, (bytes, _)) = (await data.StatementsAsync(), await platform.Processes.RuntimeCountersAsync());
        for (var number = 0; number < Counted; number++)
        {
            await flow.SendAsync(client);
        }

        var allocated = (await platform.Processes.RuntimeCountersAsync()).AllocatedBytes - bytes;
        return ((await data.StatementsAsync() - statements) / (double)Counted, allocated / (double)Counted);
    }

    public static void Say(string text) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:HH:mm:ss} load {Machine.LoadAverage()}  {text}"));
}
