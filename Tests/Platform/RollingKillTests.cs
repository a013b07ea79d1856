using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using MicroPlatform.Tests.Fixtures;
using Npgsql;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// Kills both replicas of every service one after the other, under steady load through the Gateway. The Gateway itself is not killed:
/// on one machine only one process can have its port, and elsewhere a load balancer stands in front of several Gateways.
/// </summary>
[Collection(TwofoldTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class RollingKillTests(TwofoldPlatform twofold)
{
    private static readonly string[] Behind = TestPlatform.Names;
    private static readonly string[] Stopped = ["todo", "warehouse"];
    private readonly AspirePlatform platform = twofold.Engine;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killing_or_stopping_one_replica_after_the_other_loses_no_acknowledged_request_and_fails_no_read()
    {
        // Another test may have killed some.
        await Task.WhenAll(Behind.Select(service => platform.WaitUntilReadyAsync(service)));
        await using var load = await Load.StartAsync(platform);
        await load.GoOnAsync();
        var kills = 0;
        foreach (var replica in new[] { 0, 1 })
        {
            // Two at a time, so that a call may meet a dead replica at each hop.
            foreach (var pair in Behind.Chunk(2))
            {
                var services = await platform.WithReachableReplicasAsync(pair);
                kills += services.Count;
                var killed = services.Select(service => platform.ProcessId(service, replica)).ToList();
                await Task.WhenAll(services.Select(service => platform.KillAsync(service, replica)));
                await load.GoOnAsync();
                Assert.All(services.Zip(killed), pair => Assert.NotEqual(pair.Second, platform.ProcessId(pair.First, replica)));
            }

            // First waits for all, before the second replicas are killed; at the end only for those that are stopped next.
            await Task.WhenAll((replica == 0 ? Behind : Stopped).Select(service => platform.WaitUntilReadyAsync(service)));
        }

        var (interrupted, refused) = (load.Interrupted, load.Refused);

        // An orchestrator stops replicas in order: then no request fails, not even a write that cannot be repeated.
        load.IsGentle = true;
        foreach (var service in await platform.WithReachableReplicasAsync(Stopped))
        {
            await platform.TerminateAsync(service);
            await load.GoOnAsync();
        }

        await load.StopAsync();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{kills} kills, {load.Reads} reads, {load.Acknowledged.Count} acknowledged writes; while killing "
                + $"{interrupted} writes were sent again with their key, {refused} without a key were refused");
        Assert.True(
            load.Failures.IsEmpty,
            string.Join(
                '\n',
                load.Failures.GroupBy(failure => failure, StringComparer.Ordinal)
                    .Select(failure => $"{failure.Count()} times {failure.Key}")));
        Assert.NotEmpty(load.Acknowledged);
        Assert.NotEqual(0, kills);
        Assert.Equal((interrupted, refused), (load.Interrupted, load.Refused));
        Assert.All(await load.FoundAsync(), found => Assert.Equal(1, found.Times));
    }

    /// <summary>Reads, writes with and without a key, and gRPC, each in a loop of its own.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(400);

        private readonly CancellationTokenSource stopping = new();
        private readonly ConcurrentDictionary<string, int> rounds = new(StringComparer.Ordinal);
        private readonly string run = Guid.NewGuid().ToString("N");
        private readonly AspirePlatform platform;
        private readonly HttpClient http;
        private readonly GrpcChannel channel;
        private string staff = "";
        private string customer = "";
        private List<Task> loops = [];
        private int interrupted;
        private int refused;

        private Load(AspirePlatform platform)
        {
            this.platform = platform;
            http = new() { BaseAddress = platform.GatewayHttp };
            channel = GrpcChannel.ForAddress(platform.GatewayHttps, new()
            {
                HttpHandler = new SocketsHttpHandler
                {
                    SslOptions =
                    {
                        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                            certificate?.Subject.StartsWith("CN=localhost", StringComparison.Ordinal) == true,
                    },
                },
                DisposeHttpClient = true,
            });
        }

        /// <summary>Whether even a write without a key must succeed at its first attempt.</summary>
        public bool IsGentle { get; set; }

        public ConcurrentBag<string> Acknowledged { get; } = [];

        public ConcurrentBag<string> Failures { get; } = [];

        public int Reads => rounds.Where(round => round.Key.Contains("GET", StringComparison.Ordinal)).Sum(round => round.Value);

        public int Interrupted => interrupted;

        public int Refused => refused;

        public static async Task<Load> StartAsync(AspirePlatform platform)
        {
            var load = new Load(platform);
            load.staff = await load.LoginAsync("/api/v1/users/login", new { username = "clerk", password = TestPlatform.Password });
            load.customer = await load.LoginAsync(
                "/api/v1/auth/login", new { email = "nonadmin3@email.com", password = TestPlatform.Password });
            var todos = new TodosClient(load.channel);
            var first = (await todos.CreateAsync(new() { Title = "first" }, As($"Bearer {load.staff}"))).Item.Id;
            string[] reads =
            [
                "/api/v1/products", "/api/v1/warehouse/items", "/api/v1/accounting/summary", "/api/v1/sales/sold-items",
                "/api/v1/sales/orders/1", "/api/v1/users/me", "/api/v1/todos", "/api/v1/overview/orders/1",
            ];
            load.loops =
            [
                .. reads.Select(path => load.RepeatAsync($"GET {path}", () => load.ReadAsync(path, load.staff))),
                load.RepeatAsync("GET /api/v1/carts/me", () => load.ReadAsync("/api/v1/carts/me", load.customer)),
                load.RepeatAsync("GET /api/v1/customers/me", () => load.ReadAsync("/api/v1/customers/me", load.customer)),
                load.RepeatAsync(
                    "gRPC GET",
                    () =>
                        load.CallAsync(async () => await todos.GetAsync(new() { Id = first }, As($"Bearer {load.staff}")), isWrite: false)),
                load.RepeatAsync(
                    "gRPC list GET",
                    () =>
                        load.CallAsync(async () => await todos.ListAsync(new() { Limit = 5 }, As($"Bearer {load.staff}")), isWrite: false)),
                load.RepeatAsync("gRPC Create", () => load.CreateAsync(todos)),
                load.RepeatAsync("POST todo with a key", () => load.WriteAsync("/api/v1/todos", title => new { title }, hasKey: true)),
                load.RepeatAsync(
                    "POST item with a key",
                    () => load.WriteAsync(
                        "/api/v1/warehouse/items",
                        title => new { sku = title[^32..], name = title, countryOfOrigin = "Wales", price = 1.00, quantity = 1 },
                        hasKey: true)),
                load.RepeatAsync("POST todo", () => load.WriteAsync("/api/v1/todos", title => new { title }, hasKey: false)),
                load.RepeatAsync(
                    "POST item",
                    () => load.WriteAsync(
                        "/api/v1/warehouse/items",
                        title => new { sku = title[^32..], name = title, countryOfOrigin = "Wales", price = 1.00, quantity = 1 },
                        hasKey: false)),
            ];
            return load;
        }

        /// <summary>Waits until every loop has made two further rounds.</summary>
        public async Task GoOnAsync()
        {
            var before = rounds.ToDictionary(StringComparer.Ordinal);
            await Eventually.TrueAsync(
                () => Task.FromResult(rounds.Count == loops.Count
                    && rounds.All(round =>
                        round.Value > before.GetValueOrDefault(round.Key) + 1)), "every kind of request gets its answer", seconds: 120);
        }

        public async Task StopAsync()
        {
            await stopping.CancelAsync();
            await Task.WhenAll(loops);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            channel.Dispose();
            http.Dispose();
            stopping.Dispose();
        }

        /// <summary>How often each acknowledged write is in the databases.</summary>
        public async Task<IReadOnlyList<(string Title, long Times)>> FoundAsync()
        {
            var times = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (var (database, sql) in new[]
            {
                ("tododb", "SELECT title, count(*) FROM todos WHERE title LIKE $1 GROUP BY title"),
                ("warehousedb", "SELECT name, count(*) FROM items WHERE name LIKE $1 GROUP BY name")
            })
            {
                await using var source = NpgsqlDataSource.Create(platform.ConnectionString(database));
                await using var command = source.CreateCommand(sql);
                command.Parameters.Add(new() { Value = $"{run}%" });
                await using var reader = await command.ExecuteReaderAsync(Cancel);
                while (await reader.ReadAsync(Cancel))
                {
                    times[reader.GetString(0)] = reader.GetInt64(1);
                }
            }

            return [.. Acknowledged.Select(title => (title, times.GetValueOrDefault(title)))];
        }

        private async Task<string> LoginAsync(string path, object credentials) =>
            (await http.SendAsync("POST", path, credentials).JsonAsync()).GetProperty("accessToken").GetString()!;

        private Task RepeatAsync(string name, Func<Task> request) => Task.Run(async () =>
        {
            using var pace = new PeriodicTimer(Pace);
            while (!stopping.IsCancellationRequested)
            {
                await request();
                rounds.AddOrUpdate(name, 1, (_, round) => round + 1);
                await pace.WaitForNextTickAsync(CancellationToken.None);
            }
        });

        private async Task ReadAsync(string path, string token)
        {
            var start = Stopwatch.GetTimestamp();
            using var response = await http.SendAsync("GET", path, token: token);
            var text = await response.Content.ReadAsStringAsync(Cancel);
            // An overview that names an unavailable service is incomplete, and counts as a failure.
            if (response.StatusCode is not HttpStatusCode.OK
                || (text.Contains("\"unavailable\"", StringComparison.Ordinal)
                    && !text.Contains("\"unavailable\":[]", StringComparison.Ordinal)))
            {
                Failures.Add($"GET {path}: {(int)response.StatusCode} after {SecondsSince(start)} s {text}");
            }
        }

        private async Task WriteAsync(string path, Func<string, object> bodyOf, bool hasKey)
        {
            var title = $"{run}-{Guid.NewGuid():N}";
            while (!stopping.IsCancellationRequested)
            {
                using var response = await http.SendAsync("POST", path, bodyOf(title), staff, hasKey ? [("Idempotency-Key", title)] : []);
                switch (response.StatusCode)
                {
                    case HttpStatusCode.Created:
                        Acknowledged.Add(title);
                        return;
                    case HttpStatusCode.ServiceUnavailable when hasKey:
                        Interlocked.Increment(ref interrupted);
                        break;
                    case HttpStatusCode.ServiceUnavailable when !IsGentle:
                        Interlocked.Increment(ref refused); // it may have been done, so it must not be repeated without a key
                        return;
                    default:
                        Failures.Add($"POST {path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(Cancel)}");
                        return;
                }
            }
        }

        private async Task CreateAsync(TodosClient todos)
        {
            var title = $"{run}-{Guid.NewGuid():N}";
            if (await CallAsync(async () => await todos.CreateAsync(new() { Title = title }, As($"Bearer {staff}")), isWrite: true))
            {
                Acknowledged.Add(title);
            }
        }

        private async Task<bool> CallAsync(Func<Task> call, bool isWrite)
        {
            var start = Stopwatch.GetTimestamp();
            try
            {
                await call();
                return true;
            }
            catch (RpcException failure) when (isWrite && !IsGentle && failure.StatusCode is StatusCode.Unavailable)
            {
                Interlocked.Increment(ref refused);
            }
            catch (RpcException failure)
            {
                Failures.Add($"gRPC {(isWrite ? "write" : "read")} after {SecondsSince(start)} s: {failure.Status}");
            }

            return false;
        }

        private static double SecondsSince(long start) => Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}
