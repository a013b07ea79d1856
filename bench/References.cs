using System.Data;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using MicroPlatform.Todo.V1;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Npgsql;
using Yarp.ReverseProxy.Configuration;

namespace MicroPlatform.Bench;

/// <summary>Measures the same work with the bare framework, in separate processes.</summary>
internal static class References
{
    private const string Server = "bare-server";
    private const string Proxy = "bare-proxy";

    // The first id after the four demo customers, who have not signed in.
    private const long FirstRegistered = 5;

    /// <summary>The statements of the services' reads, as EF Core writes them, and the conversion of a row.</summary>
    private static readonly (string Path, string Database, string Sql, long Id, Func<NpgsqlDataReader, object> Row)[] Reads =
    [
        ("/todo", "tododb", """
            SELECT t.id, t.title, t.text, t.completed, t.due_at, t.created_at, t.updated_at, t.xmin FROM todos AS t
            WHERE t.user_id = '01900000-0000-7000-8000-000000000003' AND t.id = $1 LIMIT 2
            """, 1, row => new TodoRow(
                row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetBoolean(3), Time(row, 4), Time(row, 5), Time(row, 6))),
        ("/products", "cartdb", """
            SELECT p.id, p.sku, p.name, p.description, p.price, p.created_at, p.xmin FROM products AS p ORDER BY p.id LIMIT 50 + $1
            """, 1, row => new ProductRow(
                row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetDecimal(4), Time(row, 5))),
        ("/warehouse", "warehousedb", """
            SELECT i.id, i.sku, i.name, i.description, i.country_of_origin, i.price, i.free, i.reserved, i.xmin FROM items AS i
            ORDER BY i.id LIMIT 100 + $1
            """, 1, row => new ItemRow(
                row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetDecimal(5),
                row.GetInt64(6))),
        ("/customer", "customersdb", """
            SELECT a.id, a.email, a.first_name, a.last_name, a.is_admin, a.created_at, a.xmin FROM sessions AS s
            INNER JOIN customers AS a ON s.account_id = a.id WHERE s.account_id = $1 LIMIT 1
            """, FirstRegistered, row => new CustomerRow(
                row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetBoolean(4), Time(row, 5))),
        ("/cart", "cartdb", """
            SELECT c.customer_id, c.xmin, i.id, i.product_id, p.name, p.price, i.quantity FROM carts AS c
            INNER JOIN cart_items AS i ON c.customer_id = i.customer_id INNER JOIN products AS p ON i.product_id = p.id
            WHERE c.customer_id = $1 ORDER BY c.customer_id, i.id
            """, 1, row => new CartRow(
                row.GetInt64(0), row.GetInt64(2), row.GetInt64(3), row.GetString(4), row.GetDecimal(5), row.GetInt32(6))),
    ];

    /// <summary>Runs a role that the benchmark starts as a separate process.</summary>
    /// <param name="args">The role, its ports, and the destination of a proxy.</param>
    /// <returns>Whether there is such a role.</returns>
    public static async Task<bool> TryRunAsync(string[] args)
    {
        switch (args)
        {
            case [Server, var http, var grpc]:
                await RunServerAsync(int.Parse(http, CultureInfo.InvariantCulture), int.Parse(grpc, CultureInfo.InvariantCulture));
                return true;
            case [Proxy, var http, var destination]:
                await RunProxyAsync(int.Parse(http, CultureInfo.InvariantCulture), destination);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Measures all references with this number of clients.</summary>
    public static async Task<Dictionary<string, Load>> MeasureAsync(Platform platform, int count, Options options)
    {
        var (http, grpc, proxy) = (Machine.FreePort(), Machine.FreePort(), Machine.FreePort());
        using var server = Start(platform, Server, Text(http), Text(grpc));
        using var forwarder = Start(platform, Proxy, Text(proxy), $"http://localhost:{http}");
        try
        {
            var processes = new Processes(
                new Dictionary<string, int>(StringComparer.Ordinal)
                {
                    [Server] = server.Id,
                    [Proxy] = forwarder.Id,
                    [Processes.Postgres] = platform.Processes.IdOf(Processes.Postgres),
                },
                platform.Processes.Sockets);
            var found = new Dictionary<string, Load>(StringComparer.Ordinal) { ["bare endpoint"] = await RestAsync(http, "/bare") };
            foreach (var path in Reads.Select(read => read.Path))
            {
                found[$"bare endpoint, SQL of {path[1..]}"] = await RestAsync(http, path);
            }

            found["bare YARP hop to the SQL of todo"] = await RestAsync(proxy, "/todo");
            found["bare gRPC call"] = await GrpcAsync([0x08, 0x00]);
            found["bare gRPC call, SQL of todo"] = await GrpcAsync([0x08, 0x01]);
            found["pgbench, SQL of todo"] = await PgBenchAsync(platform, count, options);
            return found;

            Task<Load> RestAsync(int port, string path) => RunAsync(port, client => client.SendAsync(client.Rest(HttpMethod.Get, path)));

            Task<Load> GrpcAsync(byte[] message) =>
                RunAsync(grpc, client => client.SendAsync(client.Grpc("/todo.v1.Todos/Get", token: null, message)));

            async Task<Load> RunAsync(int port, Func<Client, Task<bool>> sendAsync)
            {
                Client[] clients = [.. Enumerable.Range(0, count).Select(number =>
                    new Client(new($"http://localhost:{port}"), new("", "", "", ""), number))];
                await UntilListeningAsync(clients[0], sendAsync);
                await Load.WarmUpAsync(clients, sendAsync, processes);
                var load = await Load.RunAsync(clients, sendAsync, TimeSpan.FromSeconds(options.Seconds), processes);
                Array.ForEach(clients, client => client.Dispose());
                return load;
            }
        }
        finally
        {
            server.Kill();
            forwarder.Kill();
        }
    }

    /// <summary>Microseconds that one check of a token's signature (RS256, 2048 bits) takes.</summary>
    public static double SignatureMicroseconds()
    {
        const int rounds = 5_000;
        using var key = RSA.Create(2048);
        var (signed, hash) = (RandomNumberGenerator.GetBytes(500), HashAlgorithmName.SHA256);
        var signature = key.SignData(signed, hash, RSASignaturePadding.Pkcs1);
        _ = Repeat(rounds / 10);
        return Repeat(rounds);

        double Repeat(int times)
        {
            var before = Process.GetCurrentProcess().TotalProcessorTime;
            for (var round = 0; round < times; round++)
            {
                _ = key.VerifyData(signed, signature, hash, RSASignaturePadding.Pkcs1);
            }

            return (Process.GetCurrentProcess().TotalProcessorTime - before).TotalMicroseconds / times;
        }
    }

    private static async Task RunServerAsync(int http, int grpc)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenLocalhost(http, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.ListenLocalhost(grpc, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var databases = Reads.Select(read => read.Database).Distinct(StringComparer.Ordinal)
            .ToDictionary(name => name, name => NpgsqlDataSource.Create(builder.Configuration[name]!), StringComparer.Ordinal);
        builder.Services.AddSingleton(databases["tododb"]);
        await using var app = builder.Build();
        app.MapGet("/bare", () => TypedResults.Ok(new { id = 1, title = "Water the plants" }));
        foreach (var (path, database, sql, id, row) in Reads)
        {
            app.MapGet(path, async (CancellationToken cancellationToken) =>
                TypedResults.Ok(await ReadAsync(databases[database], sql, id, row, cancellationToken)));
        }

        app.MapGrpcService<BareTodos>();
        await app.RunAsync();
    }

    private static async Task RunProxyAsync(int http, string destination)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(http, listen => listen.Protocols = HttpProtocols.Http1));
        var destinations = new Dictionary<string, DestinationConfig>(StringComparer.Ordinal) { ["one"] = new() { Address = destination } };
        builder.Services.AddReverseProxy().LoadFromMemory(
            [new() { RouteId = "all", ClusterId = "all", Match = new() { Path = "/{**rest}" } }],
            [new() { ClusterId = "all", Destinations = destinations }]);
        await using var app = builder.Build();
        app.MapReverseProxy();
        await app.RunAsync();
    }

    private static async Task<List<object>> ReadAsync(
        NpgsqlDataSource database, string sql, long id, Func<NpgsqlDataReader, object> row, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = id });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<object>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(row(reader));
        }

        return rows;
    }

    private static DateTime? Time(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);

    private static Process Start(Platform platform, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments);
        start.Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        start.Environment[StartupHook.FolderVariable] = platform.Processes.Sockets;
        foreach (var database in Reads.Select(read => read.Database))
        {
            start.Environment[database] = platform.ConnectionString(database);
        }

        return Process.Start(start)!;
    }

    private static async Task UntilListeningAsync(Client client, Func<Client, Task<bool>> sendAsync)
    {
        for (var patience = Stopwatch.StartNew(); ;)
        {
            try
            {
                if (await sendAsync(client))
                {
                    return;
                }

                throw new BenchException($"A reference at {client.Address} does not work.");
            }
            catch (HttpRequestException) when (patience.Elapsed < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(50);
            }
        }
    }

    private static async Task<Load> PgBenchAsync(Platform platform, int count, Options options)
    {
        var settings = new NpgsqlConnectionStringBuilder(platform.ConnectionString("tododb"));
        var script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, Reads[0].Sql.Replace("$1", "1", StringComparison.Ordinal) + ";");
        var start = new ProcessStartInfo(Machine.PgBench!,
            [
                "--no-vacuum", "--protocol=prepared", $"--client={count}", $"--time={options.Seconds}", $"--file={script}",
                $"--host={settings.Host}",
                $"--port={settings.Port}", $"--username={settings.Username}", settings.Database!,
            ])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = settings.Password;
        var server = new Processes(
            new Dictionary<string, int>(StringComparer.Ordinal) { [Processes.Postgres] = platform.Processes.IdOf(Processes.Postgres) },
            sockets: "");
        var before = server.CpuSeconds()[Processes.Postgres];
        using var pgbench = Process.Start(start)!;
        var output = (await pgbench.StandardOutput.ReadToEndAsync()).Split('\n');
        await pgbench.WaitForExitAsync();
        await Task.Delay(TimeSpan.FromSeconds(1)); // the server counts the time of backends once it has waited for them
        File.Delete(script);
        if (pgbench.ExitCode != 0)
        {
            throw new BenchException($"pgbench failed: {await pgbench.StandardError.ReadToEndAsync()}");
        }

        var (transactions, latency) = (Value("number of transactions actually processed"), Value("latency average"));
        var used = server.CpuSeconds()[Processes.Postgres] - before;
        var cpu = new Dictionary<string, double>(StringComparer.Ordinal) { [Processes.Postgres] = used * 1_000_000 / transactions };
        return new(Value("tps"), latency, double.NaN, 0, cpu);

        double Value(string name) => double.Parse(
            output.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .SkipWhile(word => word is not ("=" or "processed:")).ElementAt(1).Split('/')[0],
            CultureInfo.InvariantCulture);
    }

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);

    private sealed record TodoRow(long Id, string Title, string Text, bool Completed, DateTime? DueAt, DateTime? CreatedAt,
        DateTime? UpdatedAt);

    private sealed record ProductRow(long Id, string Sku, string Name, string Description, decimal Price, DateTime? CreatedAt);

    private sealed record ItemRow(long Id, string Sku, string Name, string Description, string Country, decimal Price, long Quantity);

    private sealed record CustomerRow(long Id, string Email, string FirstName, string LastName, bool IsAdmin, DateTime? CreatedAt);

    private sealed record CartRow(long CustomerId, long Id, long ProductId, string Name, decimal UnitPrice, int Quantity);

    private sealed class BareTodos(NpgsqlDataSource database) : Todos.TodosBase
    {
        public override async Task<GetResponse> Get(GetRequest request, ServerCallContext context)
        {
            if (request.Id == 0)
            {
                return new() { Item = new() { Id = 1, Title = "Water the plants" } };
            }

            await using var command = database.CreateCommand(Reads[0].Sql);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = request.Id });
            await using var reader = await command.ExecuteReaderAsync(CommandBehavior.Default, context.CancellationToken);
            return await reader.ReadAsync(context.CancellationToken)
                ? new()
                {
                    Item = new()
                    {
                        Id = reader.GetInt64(0),
                        Title = reader.GetString(1),
                        Text = reader.GetString(2),
                        Completed = reader.GetBoolean(3),
                        CreatedAt = reader.GetDateTime(5).ToTimestamp(),
                    },
                }
                : throw new RpcException(new(StatusCode.NotFound, ""));
        }
    }
}
