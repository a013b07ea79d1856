using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Reflection;
using System.Text.Json;
using Grpc.Net.Client;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>
/// The platform's services in this process, each started at its first use, on databases of this test class, and connected to each
/// other in memory. The tests in Platform/ use real sockets and processes.
/// </summary>
public sealed class TestPlatform(Cluster cluster) : IAsyncLifetime
{
    /// <summary>The password of every demo account.</summary>
    public const string Password = "testPass123";

    /// <summary>The secret that the signing keys are encrypted with.</summary>
    public const string KeySecret = "the-secret-of-the-tests-and-of-nobody-else";

    /// <summary>The key of gRPC calls between services.</summary>
    public const string InternalCallKey = "the-key-of-calls-between-the-services-of-tests";

    /// <summary>An address without a collector. It makes services record telemetry, which tests read in the process.</summary>
    internal const string NoCollector = "http://127.0.0.1:9";

    /// <summary>The services behind the Gateway. Tests of all services take them from here.</summary>
    internal static readonly string[] Names = ["customers", "cart", "users", "todo", "warehouse", "accounting", "sales"];

    /// <summary>The same with the Gateway.</summary>
    internal static readonly string[] NamesWithGateway = [.. Names, "gateway"];

    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> databases = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lazy<IServiceHost>> hosts = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> stopped = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Issuer, string Name), Lazy<Task<string>>> tokens = new();

    /// <summary>The clock of every service.</summary>
    public FakeTimeProvider Clock { get; } = new(DateTimeOffset.UtcNow);

    /// <summary>Settings for services that start later, such as <c>Accounts:MaxFailures</c>.</summary>
    public Dictionary<string, string> Settings { get; } = new(StringComparer.Ordinal)
    {
        ["SeedDemoData"] = "true",
        ["Logging:LogLevel:Default"] = "Error",
        ["Accounts:HashIterations"] = "1000",
        ["Accounts:KeySecret"] = KeySecret,
        ["InternalCalls:Key"] = InternalCallKey,
        // Long deadlines for slow machines; tests of slowness set their own.
        ["Requests:Deadline"] = "00:00:30",
        ["Calls:Deadline"] = "00:00:15",
    };

    /// <summary>
    /// Intercepts calls between services: gets each call and a function that sends it, and can hold the call, lose its answer or answer
    /// itself. Null lets calls through.
    /// </summary>
    internal Func<HttpRequestMessage, Func<Task<HttpResponseMessage>>, Task<HttpResponseMessage>>? OnCall { get; set; }

    /// <summary>Registers additional services in hosts that start later.</summary>
    internal Action<IServiceCollection>? Added { get; set; }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts.Values.Where(host => host.IsValueCreated))
        {
            await host.Value.DisposeAsync();
        }

        foreach (var database in databases.Values.Where(database => database.IsValueCreated))
        {
            await cluster.DropAsync(await database.Value);
        }
    }

    /// <summary>The name of a service's project: <c>Cart</c> for <c>cart</c>.</summary>
    internal static string ProjectOf(string service) => char.ToUpperInvariant(service[0]) + service[1..];

    /// <summary>A client of the service's REST endpoint.</summary>
    public HttpClient Http(string service) => Host(service).CreateHttpClient();

    /// <summary>A channel to the service's gRPC endpoint, with the key of internal calls, another one, or none.</summary>
    public GrpcChannel Grpc(string service, string? key = InternalCallKey) =>
        GrpcChannel.ForAddress($"http://{service}", new() { HttpHandler = new KeyHandler(key, Host(service).CreateHandler()) });

    /// <summary>The service provider of the host, for checks of internal state.</summary>
    public IServiceProvider Services(string service) => Host(service).Services;

    /// <summary>An open connection to a service's database, such as <c>cartdb</c>.</summary>
    public async Task<NpgsqlConnection> Db(string database)
    {
        var connection = new NpgsqlConnection(ConnectionString(database));
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>The first column of the first row that the query gives.</summary>
    public async Task<T?> QueryAsync<T>(string database, string sql, params object[] parameters)
    {
        await using var connection = await Db(database);
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        return await command.ExecuteScalarAsync() is { } value and not DBNull ? (T)value : default;
    }

    /// <summary>An access token of a customer, from a real login; the same one each time.</summary>
    public Task<string> CustomerTokenAsync(string email) => tokens.GetOrAdd(("customers", email), key => new(() =>
        LoginAsync("customers", "/api/v1/auth/login", new { email = key.Name, password = Password }))).Value;

    /// <summary>An access token of a user, from a real login; the same one each time.</summary>
    public Task<string> UserTokenAsync(string username) => tokens.GetOrAdd(("users", username), key => new(() =>
        LoginAsync("users", "/api/v1/users/login", new { username = key.Name, password = Password }))).Value;

    /// <summary>Stops a service; the connection of its callers is then refused.</summary>
    public async Task StopAsync(string service)
    {
        stopped[service] = true;
        if (hosts.TryRemove(service, out var host) && host.IsValueCreated)
        {
            await host.Value.DisposeAsync();
        }
    }

    /// <summary>Starts a stopped service again, with the data that it had.</summary>
    public void Restart(string service)
    {
        stopped.TryRemove(service, out _);
        _ = Host(service).Services;
    }

    /// <summary>Starts another replica of a service on the same databases; it handles events but gets no requests.</summary>
    internal IAsyncDisposable StartReplica(string service)
    {
        var replica = Create(service);
        _ = replica.Services;
        return replica;
    }

    /// <summary>Waits until no event is on its way between the services.</summary>
    public Task QuietAsync() => Eventually.TrueAsync(async () =>
    {
        // An event is in an outbox, then also on the bus, then only there, and its handler writes further events before it removes it. So
        // the outboxes are read before the bus and after it. The sequence tells of events that went through both meanwhile.
        var before = await LastMessageAsync();
        return await AreOutboxesEmptyAsync() && await IsBusEmptyAsync() && await AreOutboxesEmptyAsync()
            && before == await LastMessageAsync();

        Task<long> LastMessageAsync() => QueryAsync<long>("busdb", "SELECT last_value FROM messages_id_seq");

        async Task<bool> IsBusEmptyAsync() => await QueryAsync<long>(
            "busdb", "SELECT count(*) FROM messages WHERE recipient <> $1", MessagingExtensions.DeadLetterQueue) == 0;

        async Task<bool> AreOutboxesEmptyAsync()
        {
            foreach (var database in databases.Keys.Where(key => key is not "busdb"))
            {
                if (await QueryAsync<long>(database, "SELECT count(*) FROM outbox") > 0)
                {
                    return false;
                }
            }

            return true;
        }
    }, "no event is on its way", seconds: 60);

    /// <summary>A handler that sends a request to the service that its host name means, as service discovery would.</summary>
    internal HttpMessageHandler CreateRouter() => new Router(this);

    internal string ConnectionString(string database) => cluster.ConnectionStringTo(databases.GetOrAdd(database, key => new(() =>
        key is "busdb" ? cluster.CreateEmptyAsync("bus") : cluster.CloneAsync(key[..^2]))).Value.GetAwaiter().GetResult());

    private IServiceHost Host(string service) => hosts.GetOrAdd(service, key => new(() => Create(key))).Value;

    private IServiceHost Create(string service)
    {
        var program = Assembly.Load(ProjectOf(service)).EntryPoint!.DeclaringType!;
        return (IServiceHost)Activator.CreateInstance(typeof(ServiceHost<>).MakeGenericType(program), this, service)!;
    }

    private async Task<string> LoginAsync(string service, string path, object credentials)
    {
        using var http = Http(service);
        using var response = await http.PostAsJsonAsync(path, credentials);
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("accessToken").GetString()!;
    }

    private sealed class KeyHandler(string? key, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (key is not null)
            {
                request.Headers.TryAddWithoutValidation(InternalCalls.HeaderName, key);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class Router(TestPlatform platform) : HttpMessageHandler
    {
        private readonly ConcurrentDictionary<IServiceHost, HttpMessageInvoker> invokers = new();

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var service = request.RequestUri!.Host.Replace("_grpc.", "", StringComparison.Ordinal);
            if (platform.stopped.ContainsKey(service))
            {
                throw new HttpRequestException(
                    HttpRequestError.ConnectionError, $"Connection refused ({service}:80)",
                    new SocketException((int)SocketError.ConnectionRefused));
            }

            // The real handler adds the trace headers; the test host's handler does not.
            DistributedContextPropagator.Current.Inject(Activity.Current, request.Headers, (carrier, name, value) =>
            {
                var headers = (System.Net.Http.Headers.HttpRequestHeaders)carrier!;
                headers.Remove(name);
                headers.TryAddWithoutValidation(name, value);
            });
            return platform.OnCall is { } between ? between(request, SendOnAsync) : SendOnAsync();

            Task<HttpResponseMessage> SendOnAsync() =>
                invokers.GetOrAdd(platform.Host(service), host => new(host.CreateHandler())).SendAsync(request, cancellationToken);
        }
    }
}
