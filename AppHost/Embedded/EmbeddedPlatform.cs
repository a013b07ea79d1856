using System.Diagnostics;

namespace MicroPlatform.AppHost;

/// <summary>The whole platform on this machine without containers: a private PostgreSQL and a process for each service.</summary>
public sealed class EmbeddedPlatform : IAsyncDisposable
{
    private const string Postgres = "postgres";
    private const int PreferredPostgresPort = 5433;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(3);
    private readonly Stopwatch _sinceStart = Stopwatch.StartNew();
    private readonly EmbeddedPlatformOptions _options;
    private readonly RunFolder _run;
    private readonly Action<string, string> _log;
    private readonly List<ServiceProcess> _processes = [];
    private readonly Lock _stateGate = new();
    private EmbeddedPostgres? _postgres;
    private Databases? _databases;
    private string? _keySecret;
    private TimeSpan _postgresReadyAfter;
    private bool _isReady;

    private EmbeddedPlatform(EmbeddedPlatformOptions options, RunFolder run)
    {
        _options = options with { StateFile = options.StateFile ?? Path.Combine(run.Path, PlatformState.FileName) };
        (_run, _log) = (run, options.Log ?? ((_, _) => { }));
    }

    /// <summary>The Gateway over HTTP.</summary>
    public Uri GatewayHttp => Address("gateway");

    /// <summary>The Gateway over HTTPS, with the certificate in <see cref="CertificateFile"/>.</summary>
    public Uri GatewayHttps => Address("gateway", "https");

    /// <summary>The Gateway's self-signed certificate (PEM), to be trusted by clients.</summary>
    public string CertificateFile => Path.Combine(_run.Path, GatewayCertificate.FileName);

    /// <summary>Holds the database, its passwords and the certificate.</summary>
    public string DataFolder => _run.Path;

    /// <summary>Connects to PostgreSQL as its superuser.</summary>
    public string SuperuserConnectionString => _postgres!.ConnectionString;

    /// <summary>How long the platform took from the call of StartAsync until every service was ready.</summary>
    public TimeSpan ReadyAfter { get; private set; }

    /// <summary>Where the PostgreSQL in use comes from.</summary>
    public string PostgresSource => _postgres!.Source;

    /// <summary>The processes as they are now, the database's first.</summary>
    internal IEnumerable<ProcessReport> Processes
    {
        get
        {
            var server = new Npgsql.NpgsqlConnectionStringBuilder(_postgres!.ConnectionString);
            yield return new ProcessReport(Postgres, [$"{server.Host}:{server.Port}"], _postgres.ProcessId, _postgres.Version, _postgresReadyAfter);
            foreach (var process in _processes)
            {
                var version = FileVersionInfo.GetVersionInfo(BuildOutput.Assembly(process.Service)).ProductVersion ?? "";
                yield return new ProcessReport(process.Name, process.Endpoints.Values.Select(address => address.OriginalString.TrimEnd('/')).ToArray(), process.Process?.Id, version.Split('+')[0], process.ReadyAfter);
            }
        }
    }

    /// <summary>Starts everything and waits until every service is ready.</summary>
    /// <param name="options">How to run it.</param>
    /// <param name="ct">Stops the start, and what has started.</param>
    /// <returns>The platform, ready.</returns>
    /// <exception cref="EngineException">It cannot run; the message says why and what to do.</exception>
    public static async Task<EmbeddedPlatform> StartAsync(EmbeddedPlatformOptions options, CancellationToken ct)
    {
        if (options.StateFile is { } state && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(state))))
        {
            throw new EngineException($"There is no folder for the state file {state}: create it, or choose another file with --state.");
        }

        var run = options.Ephemeral
            ? await RunFolder.CreateTemporaryAsync(ct)
            : await RunFolder.OpenAsync(options.DataFolder ?? Path.Combine(BuildOutput.Root, ".data"), ct);
        var platform = new EmbeddedPlatform(options, run);
        try
        {
            await platform.StartAsync(ct);
            return platform;
        }
        catch
        {
            await platform.DisposeAsync();
            throw;
        }
    }

    /// <summary>The address of a service.</summary>
    /// <param name="service">Its name, such as <c>customers</c>.</param>
    /// <param name="endpoint"><c>http</c>, <c>https</c> or <c>grpc</c>.</param>
    /// <param name="replica">Which of its processes, from 0.</param>
    /// <returns>The address.</returns>
    public Uri Address(string service, string endpoint = "http", int replica = 0) => Find(service, replica).Endpoints[endpoint];

    /// <summary>How a service connects to its database.</summary>
    /// <param name="database">The database's name, such as <c>customersdb</c>.</param>
    /// <returns>A connection string with the service's own login.</returns>
    public string ConnectionString(string database) => _databases!.ConnectionString(database);

    /// <summary>The process a service runs in at the moment.</summary>
    /// <param name="service">Its name, or <c>postgres</c>.</param>
    /// <param name="replica">Which of its processes, from 0.</param>
    /// <returns>The process id; null while it is down.</returns>
    public int? ProcessId(string service, int replica = 0) =>
        string.Equals(service, Postgres, StringComparison.Ordinal) ? _postgres!.ProcessId : Find(service, replica).Process?.Id;

    /// <summary>Kills a process as <c>kill -9</c> does; the engine starts it again.</summary>
    /// <param name="service">Its name, or <c>postgres</c>.</param>
    /// <param name="replica">Which of its processes, from 0.</param>
    /// <returns>Completes when the process is gone.</returns>
    public async Task KillAsync(string service, int replica = 0)
    {
        if (ProcessId(service, replica) is { } id)
        {
            using var process = Process.GetProcessById(id);
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>Ends every process of a service until <see cref="StartServiceAsync"/>.</summary>
    /// <param name="service">Its name.</param>
    /// <returns>Completes when they are gone.</returns>
    public Task StopServiceAsync(string service) => Task.WhenAll(All(service).Select(process => process.StopAsync()));

    /// <summary>Starts a service that was stopped, and waits until it is ready.</summary>
    /// <param name="service">Its name.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>Completes when it is ready.</returns>
    public async Task StartServiceAsync(string service, CancellationToken ct)
    {
        foreach (var process in All(service))
        {
            process.Start();
        }

        WriteState();
        await WaitUntilReadyAsync(service, ct);
    }

    /// <summary>Waits until every process of a service answers that it is ready.</summary>
    /// <param name="service">Its name.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>Completes when they are.</returns>
    public Task WaitUntilReadyAsync(string service, CancellationToken ct) =>
        Task.WhenAll(All(service).Select(process => process.WaitUntilReadyAsync(Stopwatch.StartNew(), ct)));

    /// <summary>Stops everything: the entrance first, then the other services, then the database.</summary>
    /// <returns>Completes when nothing is left.</returns>
    public async ValueTask DisposeAsync()
    {
        _isReady = false;
        // Whatever fails on the way, the database ends, and the folder is given back.
        await using var run = _run;
        await using var postgres = _postgres;
        try
        {
            await Task.WhenAll(_processes.Where(process => process.Service.IsPublic).Select(process => process.DisposeAsync().AsTask()));
            await Task.WhenAll(_processes.Where(process => !process.Service.IsPublic).Select(process => process.DisposeAsync().AsTask()));
            if (_databases is not null)
            {
                await _databases.CleanUpAsync();
            }
        }
        finally
        {
            File.Delete(_options.StateFile!);
        }
    }

    private async Task StartAsync(CancellationToken ct)
    {
        if (_run.Recovered > 0)
        {
            Say($"ended {_run.Recovered} processes that a killed run had left behind");
        }

        if (_options.Reset)
        {
            _run.Clear();
        }

        foreach (var (service, replica, endpoints) in Placement.Of(_options))
        {
            var name = _options.Replicas == 1 ? service.Name : $"{service.Name}-{replica + 1}";
            _processes.Add(new ServiceProcess(service, name, endpoints, _run, line => _log(name, line), WriteState));
        }

        var certificate = GatewayCertificate.In(_run.Path);

        // What needs no database starts beside it.
        foreach (var process in _processes.Where(process => process.Service.Databases.Length == 0))
        {
            Start(process, certificate);
        }

        await StartPostgresAsync(ct);
        foreach (var process in _processes.Where(process => process.Service.Databases.Length > 0))
        {
            Start(process, certificate);
        }

        // All start at once, as each service bears with the absence of others; they are waited for in order of dependence.
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(StartTimeout);
        var waits = _processes.Select(process => (process, ready: WaitAsync(process))).ToList();
        foreach (var (process, ready) in waits)
        {
            try
            {
                await ready;
            }
            catch (OperationCanceledException error) when (!ct.IsCancellationRequested)
            {
                // Whose settings are wrong calls the others off before its own wait has ended with the reason.
                await Task.WhenAll(waits.Select(wait => wait.ready)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw waits.Select(wait => wait.ready.Exception?.InnerException).OfType<EngineException>().FirstOrDefault()
                    ?? new EngineException($"{process.Name} was not ready within {StartTimeout.TotalSeconds:0} s. It said last:{Environment.NewLine}{process.LastLines}", error);
            }

            Say($"{process.Name} ready after {process.ReadyAfter.TotalSeconds:0.0} s");
        }

        ReadyAfter = _sinceStart.Elapsed;
        _isReady = true;
        WriteState();

        async Task WaitAsync(ServiceProcess process)
        {
            try
            {
                await process.WaitUntilReadyAsync(_sinceStart, deadline.Token);
            }
            catch (EngineException)
            {
                await deadline.CancelAsync(); // no use in waiting for the others
                throw;
            }
        }
    }

    private async Task StartPostgresAsync(CancellationToken ct)
    {
        var databases = _options.Services.SelectMany(service => service.Databases).ToList();
        var passwords = new Passwords(_run);
        _postgres = await EmbeddedPostgres.StartAsync(
            _run, passwords, _options.Ephemeral ? null : PreferredPostgresPort, 50 + (databases.Count * _options.Replicas * Databases.PoolSize), line => _log(Postgres, line), ct);
        _databases = new Databases(_postgres, passwords, _run);
        _keySecret = passwords.For("signing-keys");
        await _databases.CreateAsync(databases.Distinct(StringComparer.Ordinal), _options.Reset, ct);
        ServiceFile.Write(_run.Path, databases.Distinct(StringComparer.Ordinal).Select(database => (database, ConnectionString(database))).Prepend((Postgres, _postgres.ConnectionString)));
        _postgresReadyAfter = _sinceStart.Elapsed;
        Say($"PostgreSQL {_postgres.Version} from {_postgres.Source} ready after {_postgresReadyAfter.TotalSeconds:0.0} s");
    }

    private void Start(ServiceProcess process, GatewayCertificate certificate)
    {
        process.Environment = ServiceEnvironment.Of(process, All, ConnectionString, _keySecret!, certificate, _options.Environment);
        process.Start();
    }

    private List<ServiceProcess> All(string service)
    {
        var all = _processes.Where(process => string.Equals(process.Service.Name, service, StringComparison.Ordinal)).ToList();
        return all.Count > 0 ? all : throw new ArgumentException($"There is no service {service}.", nameof(service));
    }

    private ServiceProcess Find(string service, int replica) => All(service)[replica];

    private void Say(string line) => _log("platform", line);

    private void WriteState()
    {
        if (!_isReady)
        {
            return;
        }

        lock (_stateGate)
        {
            PlatformState.Write(_options.StateFile!, this, _processes, _options.Services.SelectMany(service => service.Databases));
        }
    }
}
