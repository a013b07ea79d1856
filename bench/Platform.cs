using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace MicroPlatform.Bench;

/// <summary>The platform as the AppHost runs it, Release build, on a data folder of its own that is deleted at the end.</summary>
internal sealed partial class Platform : IAsyncDisposable
{
    public static readonly string[] Services = ["Accounting", "Cart", "Customers", "Gateway", "Sales", "Todo", "Users", "Warehouse"];

    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(5);
    private readonly Process _host;
    private readonly DirectoryInfo _sockets;
    private readonly Dictionary<string, string> _addresses;
    private readonly Dictionary<string, string> _connectionStrings;

    private Platform(Process host, DirectoryInfo sockets, Match ready)
    {
        (_host, _sockets) = (host, sockets);
        SecondsToReady = double.Parse(ready.Groups["seconds"].Value, CultureInfo.InvariantCulture);
        _connectionStrings = ReadServiceFile(ready.Groups["databases"].Value);
        Processes = FindProcesses();
        // The environment of the Gateway contains the address of every service.
        _addresses = Processes.EnvironmentOf(Processes.IdOf("Gateway")).Where(variable =>
            variable.Key.StartsWith("services__", StringComparison.Ordinal))
            .ToDictionary(variable => string.Join('.', variable.Key.Split("__")[1..3]), variable => variable.Value, StringComparer.Ordinal);
        _addresses["gateway.http"] = ready.Groups["http"].Value;
        _addresses["gateway.https"] = ready.Groups["https"].Value;
    }

    public static string Root { get; } = FindRoot();

    /// <summary>From the start of the AppHost until all is healthy.</summary>
    public double SecondsToReady { get; }

    /// <summary>The services and PostgreSQL.</summary>
    public Processes Processes { get; private set; }

    public static async Task BuildAsync(Options options)
    {
        if (!options.Build)
        {
            return;
        }

        Measurement.Say("Building Release");
        string[] arguments = ["build", Path.Combine(Root, "AppHost"), "--configuration", "Release", "--verbosity", "quiet"];
        using var build = Process.Start("dotnet", arguments);
        await build.WaitForExitAsync();
        if (build.ExitCode != 0)
        {
            throw new BenchException("The build failed.");
        }
    }

    /// <summary>Starts the platform and waits until it is ready.</summary>
    /// <param name="folder">The data folder.</param>
    /// <param name="options">What to measure.</param>
    /// <exception cref="BenchException">It does not start.</exception>
    public static async Task<Platform> StartAsync(string folder, Options options)
    {
        var sockets = Directory.CreateTempSubdirectory("bench-");
        var start = new ProcessStartInfo(
            ProgramOf("AppHost"), [$"--DataFolder={folder}", $"--HttpPort={Machine.FreePort()}", $"--HttpsPort={Machine.FreePort()}",
                "--Postgres=local"])
        {
            WorkingDirectory = Path.Combine(Root, "AppHost"),
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in Settings(sockets.FullName, options))
        {
            start.Environment[name] = value;
        }

        var host = Process.Start(start)!;
        var ready = new TaskCompletionSource<Match>(TaskCreationOptions.RunContinuationsAsynchronously);
        var errors = new List<string?>();
        host.OutputDataReceived += (_, line) =>
            _ = line.Data is { } text && ReadyLine().Match(text) is { Success: true } match && ready.TrySetResult(match);
        host.ErrorDataReceived += (_, line) => errors.Add(line.Data);
        host.BeginOutputReadLine();
        host.BeginErrorReadLine();
        var first = await Task.WhenAny(ready.Task, host.WaitForExitAsync(), Task.Delay(LongestStart));
        return first == ready.Task
            ? new(host, sockets, await ready.Task)
            : throw new BenchException($"The platform did not start. {string.Join(' ', errors)}");
    }

    /// <summary>Where an endpoint is, such as <c>cart.http</c>, <c>todo.grpc</c> or <c>gateway.https</c>.</summary>
    public Uri Address(string endpoint) => new(_addresses[endpoint]);

    /// <summary>The connection string of a database, such as <c>cartdb</c>, or of the superuser: <c>postgres</c>.</summary>
    public string ConnectionString(string database) => _connectionStrings[database];

    /// <summary>Finds the processes anew, after some were killed and started again.</summary>
    public Processes FindProcesses()
    {
        var server = new NpgsqlConnectionStringBuilder(ConnectionString(Processes.Postgres)) { Pooling = false };
        using var connection = new NpgsqlConnection(server.ConnectionString);
        connection.Open();
        var backend = File.ReadAllText($"/proc/{connection.ProcessID}/stat");
        var postmaster = int.Parse(backend.Split(") ")[1].Split(' ')[1], CultureInfo.InvariantCulture); // the backend's parent
        var ids = Services.Select(service => (service, id: Processes.Find(ProgramOf(service)))).Where(found => found.id is not null)
            .ToDictionary(found => found.service, found => found.id!.Value, StringComparer.Ordinal);
        ids[Processes.Postgres] = postmaster;
        return Processes = new(ids, _sockets.FullName);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_host.HasExited)
        {
            Process.Start("kill", _host.Id.ToString(CultureInfo.InvariantCulture)).WaitForExit(); // SIGTERM: an orderly stop
            await _host.WaitForExitAsync();
        }

        _host.Dispose();
        _sockets.Delete(recursive: true);
    }

    public static string ProgramOf(string project) => Path.Combine(Root, "artifacts", "bin", project, "release", project);

    private static IEnumerable<(string Name, string Value)> Settings(string sockets, Options options) =>
    [
        ("ASPNETCORE_ENVIRONMENT", "Development"),
        ("DOTNET_ENVIRONMENT", "Development"),
        // Every run has the dashboard; it is not measured.
        ("ASPIRE_ALLOW_UNSECURED_TRANSPORT", "true"),
        ("ASPNETCORE_URLS", $"http://localhost:{Machine.FreePort()}"),
        ("ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", $"http://localhost:{Machine.FreePort()}"),
        ("ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL", $"http://localhost:{Machine.FreePort()}"),
        ("Accounts__AccessTokenLifetime", "04:00:00"), // so that nobody has to sign in again while it runs
        // Long deadlines, because a busy machine is slow at first and the benchmark does not test deadlines.
        ("Requests__Deadline", "00:00:30"),
        ("Proxy__Deadline", "00:00:40"),
        ("Calls__Deadline", "00:00:15"),
        ("DOTNET_STARTUP_HOOKS", typeof(Platform).Assembly.Location),
        (StartupHook.FolderVariable, sockets),
        (StartupHook.TelemetryVariable, options.Telemetry ? "on" : "off"),
    ];

    private static Dictionary<string, string> ReadServiceFile(string file)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var section in File.ReadAllText(file).Split('[', StringSplitOptions.RemoveEmptyEntries))
        {
            var lines = section.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var values = lines[1..].Select(line =>
                line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
            result[lines[0].TrimEnd(']')] = new NpgsqlConnectionStringBuilder
            {
                Host = values["host"],
                Port = int.Parse(values["port"], CultureInfo.InvariantCulture),
                Username = values["user"],
                Password = values["password"],
                Database = values["dbname"],
                // The same values as in the services.
                MaxAutoPrepare = 50,
                NoResetOnClose = true,
                MaxPoolSize = 30,
            }.ConnectionString;
        }

        return result;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "MicroPlatform.sln")))
        {
            folder = folder.Parent ?? throw new BenchException("Run the benchmark from the repository.");
        }

        return folder.FullName;
    }

    [GeneratedRegex("""^Ready after (?<seconds>[\d.]+) s: (?<http>\S+) and (?<https>[^, ]+).*, databases for psql in (?<databases>.+)$""",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ReadyLine();
}
