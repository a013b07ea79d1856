using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Postgres;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// Databases with and without a streaming replica: which requests still work when the primary is lost, and how soon the others fail.
/// </summary>
[Trait("Speed", "slow")]
public sealed class ReadReplicaTests(Cluster cluster) : IAsyncLifetime
{
    private readonly TestPlatform platform = new(cluster);
    private TestPostgres primary = null!;
    private bool isLost;

    public async ValueTask InitializeAsync()
    {
        primary = await TestPostgres.StartAsync("--Postgres=local");
    }

    public async ValueTask DisposeAsync()
    {
        await platform.DisposeAsync();
        if (!isLost)
        {
            await primary.DisposeAsync();
        }
    }

    [Fact]
    public async Task Reads_continue_when_the_primary_is_lost_and_writes_resume_when_the_replica_is_promoted()
    {
        await using var replica = await Replica.OfAsync(primary);
        UseDatabases(hosts: $"127.0.0.1:{primary.Port},127.0.0.1:{replica.Port}", port: null);
        var clerk = await platform.UserTokenAsync("clerk");
        using var users = platform.Http("users");
        using var warehouse = platform.Http("warehouse");
        Task<HttpResponseMessage> AddAsync(string sku) =>
            warehouse.SendAsync(
                "POST", "/api/v1/warehouse/items", new { sku, name = sku, countryOfOrigin = "Wales", price = 1.00, quantity = 1 }, clerk,
                ("Idempotency-Key", Guid.NewGuid().ToString()));
        async Task<int> ListedAsync(string sku) =>
            (await warehouse.SendAsync("GET", $"/api/v1/warehouse/items?search={sku}", token: clerk).JsonAsync()).GetProperty("items")
                .GetArrayLength();

        // A list comes from the replica, a resource that was just written from the primary.
        await Eventually.TrueAsync(async () => await ListedAsync("SKU-1") == 1, "the replica has the demo data");
        await ExecuteAsync(replica.ConnectionString, "SELECT pg_wal_replay_pause()");
        await Eventually.TrueAsync(
            async () => await QueryAsync<string>(replica.ConnectionString, "SELECT pg_get_wal_replay_pause_state()") is "paused",
            "replay is paused on the replica");
        var before = (await AddAsync("BEFORE").JsonAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        Assert.Equal(0, await ListedAsync("BEFORE"));
        await warehouse.SendAsync("GET", $"/api/v1/warehouse/items/{before}", token: clerk).JsonAsync();
        await ExecuteAsync(replica.ConnectionString, "SELECT pg_wal_replay_resume()");
        await Eventually.TrueAsync(async () => await ListedAsync("BEFORE") == 1, "the replica has caught up");
        Assert.Equal("Healthy", await ReadyAsync(warehouse));

        // Without the primary, reads continue, including the authority's check of sessions, and the service stays in rotation.
        isLost = true;
        await primary.DisposeAsync();
        Assert.Equal(1, await ListedAsync("BEFORE"));
        await warehouse.SendAsync("GET", $"/api/v1/warehouse/items/{before}", token: clerk).JsonAsync();
        await users.SendAsync("GET", "/api/v1/users/me", token: clerk).JsonAsync();
        Assert.Equal("Degraded", await ReadyAsync(warehouse));
        Assert.Equal("Degraded", await ReadyAsync(users));
        await RefusedInTimeAsync(() => AddAsync("DURING"));
        await RefusedInTimeAsync(() =>
            users.SendAsync("POST", "/api/v1/users/login", new { username = "alice", password = TestPlatform.Password }));

        // Services find the promoted replica without a restart, and it has nothing of the refused writes.
        await ExecuteAsync(replica.ConnectionString, "SELECT pg_promote()");
        await Eventually.TrueAsync(
            async () => await AddAsync($"AFTER-{Guid.NewGuid():N}").StatusAsync() is HttpStatusCode.Created,
            "the promoted replica takes writes");
        await Eventually.TrueAsync(
            async () => await ReadyAsync(warehouse) is "Healthy" && await ReadyAsync(users) is "Healthy", "both services are healthy");
        Assert.Equal((1, 0), (await ListedAsync("BEFORE"), await ListedAsync("DURING")));
    }

    [Fact]
    public async Task A_lost_or_silent_database_gives_503_within_ten_seconds_and_requests_succeed_when_it_is_back()
    {
        await using var proxy = TcpProxy.To(primary.Port);
        UseDatabases("127.0.0.1", proxy.Port);
        var clerk = await platform.UserTokenAsync("clerk");
        platform.Settings["Requests:Deadline"] = "00:00:02";
        platform.Settings["ConnectionStrings:warehousedb"] += ";Command Timeout=2";
        using var warehouse = platform.Http("warehouse");
        Task<HttpResponseMessage> ListAsync() => warehouse.SendAsync("GET", "/api/v1/warehouse/items", token: clerk);
        Task<HttpResponseMessage> AddAsync(params (string, string)[] headers) =>
            warehouse.SendAsync(
                "POST", "/api/v1/warehouse/items", new { sku = "NEW", name = "NEW", countryOfOrigin = "Wales", price = 1.00, quantity = 1 },
                clerk, headers);
        await Eventually.TrueAsync(async () => await ListAsync().StatusAsync() is HttpStatusCode.OK, "the first request has been answered");

        proxy.IsSilent = true;
        await RefusedInTimeAsync(ListAsync);
        await RefusedInTimeAsync(() => AddAsync());
        await RefusedInTimeAsync(() => AddAsync(("Idempotency-Key", "same")));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await warehouse.SendAsync("GET", "/health/ready").StatusAsync());
        proxy.IsSilent = false;
        await Eventually.TrueAsync(async () => await ListAsync().StatusAsync() is HttpStatusCode.OK, "the database answers again");
        await Eventually.TrueAsync(
            async () => await AddAsync(("Idempotency-Key", "same")).StatusAsync() is HttpStatusCode.Created, "the same request succeeds");

        await proxy.DisposeAsync(); // connections are cut and new ones refused
        await RefusedInTimeAsync(ListAsync);
        await RefusedInTimeAsync(() => AddAsync());
        await RefusedInTimeAsync(() => AddAsync(("Idempotency-Key", "another")));
        await using var back = TcpProxy.To(primary.Port, proxy.Port);
        await Eventually.TrueAsync(async () => await ListAsync().StatusAsync() is HttpStatusCode.OK, "the database answers again");
    }

    private static async Task RefusedInTimeAsync(Func<Task<HttpResponseMessage>> send)
    {
        var since = Stopwatch.StartNew();
        using var response = await send();
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode is HttpStatusCode.ServiceUnavailable, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.True(response.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        // The Gateway waits 10 s.
        Assert.True(since.Elapsed < TimeSpan.FromSeconds(10), $"it took {since.Elapsed.TotalSeconds:0.0} s");
        TestContext.Current.TestOutputHelper?.WriteLine($"{response.RequestMessage?.Method} 503 after {since.Elapsed.TotalSeconds:0.00} s");
    }

    private static async Task<string> ReadyAsync(HttpClient service) =>
        await service.GetStringAsync("/health/ready", TestContext.Current.CancellationToken);

    private static async Task ExecuteAsync(string connectionString, string sql) => await QueryAsync<object>(connectionString, sql);

    private static async Task<T?> QueryAsync<T>(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
        }.ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken) is T value ? value : default;
    }

    private void UseDatabases(string hosts, int? port)
    {
        foreach (var database in new[] { "usersdb", "warehousedb", "busdb" })
        {
            var settings = new NpgsqlConnectionStringBuilder(primary.ConnectionString)
            {
                Host = hosts,
                Database = database,
                HostRecheckSeconds = 1,
            };
            settings.Port = port ?? settings.Port;
            platform.Settings[$"ConnectionStrings:{database}"] = settings.ConnectionString;
        }
    }

    /// <summary>A streaming replica, made as an operator makes one.</summary>
    private sealed class Replica : IAsyncDisposable
    {
        private readonly PostgresPrograms binaries;
        private readonly string folder;

        private Replica(PostgresPrograms binaries, string folder, int port, string connectionString)
        {
            (this.binaries, this.folder, Port) = (binaries, folder, port);
            ConnectionString = new NpgsqlConnectionStringBuilder(connectionString) { Port = port }.ConnectionString;
        }

        public int Port { get; }

        public string ConnectionString { get; }

        public static async Task<Replica> OfAsync(TestPostgres primary)
        {
            var ct = TestContext.Current.CancellationToken;
            var programs = await PostgresPrograms.FindAsync(major: null);
            var home = Path.Combine(ServerAccount.TemporaryFolder, $"replica-{Guid.NewGuid():N}");
            await ServerAccount.TakeOwnershipAsync(home, ct);
            var login = new NpgsqlConnectionStringBuilder(primary.ConnectionString);
            var replica = new Replica(programs, home, Ports.Free(), primary.ConnectionString);
            await ServerAccount.RunAsync(
                programs.Program("pg_basebackup"),
                [
                    "--pgdata", Path.Combine(home, "data"), "--write-recovery-conf", "--checkpoint=fast", "--dbname",
                    $"host=127.0.0.1 port={primary.Port} user={login.Username} password={login.Password}",
                ],
                folder: home, ct: ct);
            await replica.ControlAsync(
                "start", "--log", Path.Combine(home, "log"), "--options",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"-p {replica.Port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=1000 -c fsync=off"));
            return replica;
        }

        public async ValueTask DisposeAsync()
        {
            await ControlAsync("stop", "--mode", "immediate");
            Directory.Delete(folder, recursive: true);
        }

        private async Task ControlAsync(string action, params string[] options)
        {
            // The streams are not redirected: the server would keep them open, and reading to their end would never end.
            var start = new ProcessStartInfo(
                binaries.Program("pg_ctl"),
                [action, "--wait", "--pgdata", Path.Combine(folder, "data"), .. options])
            {
                UserName = ServerAccount.Name ?? "",
                WorkingDirectory = folder,
            };
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
        }
    }

    /// <summary>A proxy that can fall silent: it accepts data and forwards none.</summary>
    private sealed class TcpProxy : IAsyncDisposable
    {
        private readonly TcpListener listener;
        private readonly CancellationTokenSource cut = new();
        private readonly Task accepting;
        private volatile bool isSilent;

        private TcpProxy(int server, int port)
        {
            listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
            accepting = AcceptAsync(server);
        }

        public int Port { get; }

        public bool IsSilent
        {
            set => isSilent = value;
        }

        public static TcpProxy To(int server, int port = 0) => new(server, port);

        public async ValueTask DisposeAsync()
        {
            if (!cut.IsCancellationRequested)
            {
                await cut.CancelAsync();
                listener.Stop();
                await accepting;
            }
        }

        private async Task AcceptAsync(int server)
        {
            var connections = new List<Task>();
            try
            {
                while (true)
                {
                    connections.Add(ConnectAsync(await listener.AcceptTcpClientAsync(cut.Token), server));
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(connections);
            }
        }

        private async Task ConnectAsync(TcpClient near, int server)
        {
            using (near)
            {
                using var far = new TcpClient();
                await far.ConnectAsync(IPAddress.Loopback, server);
                await Task.WhenAny(PumpAsync(near.GetStream(), far.GetStream()), PumpAsync(far.GetStream(), near.GetStream()));
            }
        }

        private async Task PumpAsync(NetworkStream from, NetworkStream to)
        {
            var buffer = new byte[8192];
            try
            {
                while (await from.ReadAsync(buffer, cut.Token) is > 0 and var length)
                {
                    if (!isSilent)
                    {
                        await to.WriteAsync(buffer.AsMemory(0, length), cut.Token);
                    }
                }
            }
            catch (Exception failure) when (failure is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // One of the two sides closed the connection.
            }
        }
    }
}
