using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// The running AppHost, with operations for tests, such as finding the process of a service and killing it.
/// </summary>
internal sealed class AspirePlatform : IAsyncDisposable
{
    // Ends a test that hangs; not a target.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
    private readonly DistributedApplication app;
    private readonly Dictionary<string, string> connectionStrings = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ResourceEvent> latest = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource stopping = new();
    private readonly Task following;

    private AspirePlatform(DistributedApplication app)
    {
        this.app = app;
        following = FollowAsync();
    }

    /// <summary>
    /// Cheap password hashes and long deadlines, because tests register many accounts and small machines are slow while they start so many
    /// processes; other tests cover hashes and deadlines. No profile-guided optimization, which does not pay for a few seconds. No repeated
    /// exports of telemetry, because most platforms run without a collector and their services would try for seconds when they stop.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Unhurried { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["Accounts__HashIterations"] = "1000",
        ["Requests__Deadline"] = "00:00:30",
        ["Proxy__Deadline"] = "00:00:40",
        ["Calls__Deadline"] = "00:00:15",
        ["DOTNET_TieredPGO"] = "0",
        ["OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY"] = "",
    };

    /// <summary>The services that run.</summary>
    public IEnumerable<string> Services => Model.GetProjectResources().Select(service => service.Name);

    /// <summary>The databases that run.</summary>
    public IEnumerable<string> Databases => connectionStrings.Keys.Where(name => name is not "postgres");

    /// <summary>Everything that the app model holds, parameters apart.</summary>
    public IEnumerable<IResource> Resources => Model.Resources.Where(resource => resource is not ParameterResource);

    /// <summary>The Gateway over HTTP.</summary>
    public Uri GatewayHttp => Address("gateway");

    /// <summary>The Gateway over HTTPS.</summary>
    public Uri GatewayHttps => Address("gateway", "https");

    /// <summary>Holds the database, the secrets and the certificate.</summary>
    public string DataFolder => app.Services.GetRequiredService<DataFolder>().Path;

    /// <summary>Connects to PostgreSQL as its superuser.</summary>
    public string SuperuserConnectionString => connectionStrings["postgres"];

    /// <summary>Stops the services and their database when the host stops.</summary>
    public OrderlyShutdown Shutdown => app.Services.GetServices<IHostedService>().OfType<OrderlyShutdown>().Single();

    private DistributedApplicationModel Model => app.Services.GetRequiredService<DistributedApplicationModel>();

    /// <summary>Starts the AppHost and waits until every service is ready.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="environment">Further environment variables of every service.</param>
    /// <param name="services">The services to run; all by default.</param>
    public static async Task<AspirePlatform> StartAsync(
        string[] arguments, IReadOnlyDictionary<string, string>? environment = null, string[]? services = null)
    {
        var platform = await BuildAsync(arguments, environment ?? Unhurried, services);
        try
        {
            await platform.StartAsync();
            return platform;
        }
        catch
        {
            await platform.DisposeAsync();
            throw;
        }
    }

    /// <summary>The address of a service.</summary>
    public Uri Address(string service, string endpoint = "http") => app.GetEndpoint(service, endpoint);

    /// <summary>The connection string of a service's database.</summary>
    public string ConnectionString(string database) => connectionStrings[database];

    /// <summary>A client of the Gateway over HTTPS, which trusts this run's certificate and no other.</summary>
    public HttpClient Https() => new(Trusting(Certificates())) { BaseAddress = GatewayHttps };

    /// <summary>A client of the Gateway over HTTP.</summary>
    public HttpClient Http() => new() { BaseAddress = GatewayHttp };

    /// <summary>The process of a service or of <c>postgres</c>; null while it is down.</summary>
    /// <param name="resource">Its name.</param>
    /// <param name="replica">Which of its processes, from 0.</param>
    public int? ProcessId(string resource, int replica = 0)
    {
        var instances = InstancesOf(resource);
        if (instances.Count <= replica
            || instances[replica].Snapshot.Properties.FirstOrDefault(property =>
                property.Name is "executable.pid")?.Value is not { } started)
        {
            return null;
        }

        var id = Convert.ToInt32(started, CultureInfo.InvariantCulture);
        return Array.Exists(Process.GetProcesses(), process => process.Id == id && !process.HasExited) ? id : null;
    }

    /// <summary>Kills a process as <c>kill -9</c> does. The AppHost starts it again.</summary>
    public async Task KillAsync(string resource, int replica = 0)
    {
        if (ProcessId(resource, replica) is { } id)
        {
            using var process = Process.GetProcessById(id);
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>Asks a process to end, as an orchestrator does that replaces it, and waits until it has ended.</summary>
    public async Task TerminateAsync(string resource, int replica = 0)
    {
        using var process = Process.GetProcessById(ProcessId(resource, replica)!.Value);
        using var kill = Process.Start("kill", process.Id.ToString(CultureInfo.InvariantCulture));
        await process.WaitForExitAsync().WaitAsync(Longest);
    }

    /// <summary>Stops a service as a person does in the dashboard.</summary>
    public Task StopServiceAsync(string service) => CommandAsync(service, KnownResourceCommands.StopCommand);

    /// <summary>Starts a stopped service and waits until it is ready.</summary>
    public async Task StartServiceAsync(string service)
    {
        await CommandAsync(service, KnownResourceCommands.StartCommand);
        await WaitUntilReadyAsync(service);
    }

    /// <summary>Executes a command of the dashboard, which must succeed.</summary>
    public async Task<ExecuteCommandResult> CommandAsync(string resource, string command)
    {
        var result = await ExecuteAsync(resource, command);
        Assert.True(result.Success, $"{command} of {resource}: {result.Message}");
        return result;
    }

    /// <summary>Executes a command of the dashboard.</summary>
    public Task<ExecuteCommandResult> ExecuteAsync(string resource, string command) =>
        app.ResourceCommands.ExecuteCommandAsync(Find(resource), command);

    /// <summary>Waits until each process of a service runs and itself answers that it is ready.</summary>
    public async Task WaitUntilReadyAsync(string service)
    {
        var replicas = Find(service).GetReplicaCount();
        using var http = new HttpClient();
        await Eventually.TrueAsync(
            async () => Enumerable.Range(0, replicas).All(replica => ProcessId(service, replica) is not null)
                && (await Task.WhenAll(InstancesOf(service).Select(IsReadyAsync))).All(isReady => isReady),
            $"{service} is ready",
            (int)Longest.TotalSeconds);

        async Task<bool> IsReadyAsync(ResourceEvent instance)
        {
            try
            {
                using var answer = await http.GetAsync(new Uri(AddressOf(instance, "http"), "/health/ready"));
                return answer.IsSuccessStatusCode && instance.Snapshot.State?.Text is "Running";
            }
            catch (HttpRequestException)
            {
                return false; // not listening yet
            }
        }
    }

    /// <summary>
    /// The services whose replicas can all be reached. The orchestrator's proxy (Aspire 13.6.5) may lose the address of a replica that is
    /// started again. The other replica then serves alone, and the service is down without it.
    /// </summary>
    public async Task<IReadOnlyList<string>> WithReachableReplicasAsync(IEnumerable<string> services)
    {
        var reachable = new List<string>();
        foreach (var service in services)
        {
            if (await IsEachReplicaReachableAsync(service))
            {
                reachable.Add(service);
            }
            else
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"The orchestrator's proxy has lost a replica of {service}.");
            }
        }

        return reachable;
    }

    /// <summary>The state of each process of a resource, as the dashboard shows it.</summary>
    public IReadOnlyList<string?> StatesOf(string resource) => [.. InstancesOf(resource).Select(instance => instance.Snapshot.State?.Text)];

    /// <summary>What a resource has logged so far.</summary>
    public async Task<IReadOnlyList<string>> LogsOfAsync(string resource)
    {
        var logs = app.Services.GetRequiredService<ResourceLoggerService>();
        var lines = new List<string>();
        foreach (var instance in InstancesOf(resource))
        {
            await foreach (var batch in logs.GetAllAsync(instance.ResourceId))
            {
                lines.AddRange(batch.Select(line => line.Content));
            }
        }

        return lines;
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await stopping.CancelAsync();
        await following;
        await app.DisposeAsync();
        stopping.Dispose();
    }

    /// <summary>
    /// The certificates that the Gateway may use: this user's development certificates, else the one in the data folder.
    /// </summary>
    private X509Certificate2Collection Certificates()
    {
        const string marked = "1.3.6.1.4.1.311.84.1.1"; // marks certificates of dotnet dev-certs
        using var mine = new X509Store(StoreName.My, StoreLocation.CurrentUser, OpenFlags.ReadOnly);
        var certificates = mine.Certificates.Find(X509FindType.FindByExtension, marked, validOnly: false);
        var own = Path.Combine(DataFolder, GatewayCertificate.FileName);
        if (File.Exists(own))
        {
            certificates.Add(X509CertificateLoader.LoadCertificateFromFile(own));
        }

        return certificates;
    }

    private static SocketsHttpHandler Trusting(X509Certificate2Collection certificates)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(certificates);
        return new() { SslOptions = new() { CertificateChainPolicy = policy } };
    }

    private static async Task<AspirePlatform> BuildAsync(
        string[] arguments, IReadOnlyDictionary<string, string> environment, string[]? services)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(arguments);
        foreach (var service in builder.Resources.OfType<ProjectResource>().ToList())
        {
            if (services is not null && !services.Contains(service.Name, StringComparer.Ordinal))
            {
                builder.Resources.Remove(service);
                continue;
            }

            foreach (var (name, value) in environment)
            {
                builder.CreateResourceBuilder(service).WithEnvironment(name, value);
            }
        }

        return new AspirePlatform(await builder.BuildAsync());
    }

    private async Task StartAsync()
    {
        try
        {
            await app.StartAsync().WaitAsync(Longest);
        }
        catch (TimeoutException hung)
        {
            var states = string.Join(", ", latest.Values.Select(now => $"{now.ResourceId} {now.Snapshot.State?.Text}"));
            throw new TimeoutException($"The platform did not start within {Longest}: {states}", hung);
        }

        foreach (var database in Model.Resources.OfType<IResourceWithConnectionString>())
        {
            connectionStrings[database.Name] = (await database.GetConnectionStringAsync())!;
        }

        await Task.WhenAll(Services.Select(WaitUntilReadyAsync));
    }

    private async Task<bool> IsEachReplicaReachableAsync(string service)
    {
        foreach (var endpoint in ((IResourceWithEndpoints)Find(service)).GetEndpoints())
        {
            var ports = InstancesOf(service).Select(instance => AddressOf(instance, endpoint.EndpointName).Port).ToList();
            var connections = Enumerable.Range(0, 20).Select(_ => new TcpClient()).ToList(); // the proxy chooses at random for each
            await Task.WhenAll(connections.Select(connection => connection.ConnectAsync(IPAddress.Loopback, endpoint.Port)));
            var isReachable = await Eventually.IsTrueAsync(() => Task.FromResult(!ports.Except(ConnectedPorts()).Any()), seconds: 10);
            connections.ForEach(connection => connection.Dispose());
            if (!isReachable)
            {
                return false;
            }
        }

        return true;

        static IEnumerable<int> ConnectedPorts() => IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpConnections()
            .Where(connection => connection.State is TcpState.Established).Select(connection => connection.RemoteEndPoint.Port);
    }

    /// <summary>The address of one process, because the service's address leads to any of its replicas.</summary>
    private static Uri AddressOf(ResourceEvent instance, string endpoint) => new(instance.Snapshot.EnvironmentVariables.Single(variable =>
        string.Equals(variable.Name, $"Kestrel__Endpoints__{endpoint}__Url", StringComparison.Ordinal)).Value!);

    private IResource Find(string name) =>
        Model.Resources.Single(resource => string.Equals(resource.Name, name, StringComparison.Ordinal));

    private List<ResourceEvent> InstancesOf(string resource) =>
        [
            .. latest.Values.Where(current => string.Equals(current.Resource.Name, resource, StringComparison.Ordinal))
            .OrderBy(current => current.ResourceId, StringComparer.Ordinal),
        ];

    private async Task FollowAsync()
    {
        try
        {
            await foreach (var change in app.ResourceNotifications.WatchAsync(stopping.Token))
            {
                latest[change.ResourceId] = change;
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The platform is being stopped.
        }
    }
}
