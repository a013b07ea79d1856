using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace MicroPlatform.AppHost;

/// <summary>
/// A private PostgreSQL server on the loopback interface: started from binaries on this machine, started again when it dies, gone when
/// disposed. Where <c>ConnectionStrings__postgres</c> names a running server, that one is used and none is started.
/// </summary>
public sealed class EmbeddedPostgres : IAsyncDisposable
{
    private const string Superuser = "postgres";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private readonly ProcessOutput _output;
    private readonly Action<string> _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly PostgresBinaries? _binaries;
    private readonly RunFolder? _run;
    private readonly string _folder = "";
    private readonly int _maxConnections;
    private bool _ownsRun;
    private Process? _process;
    private Task _watch = Task.CompletedTask;

    private EmbeddedPostgres(string externalServer, string version)
    {
        (ConnectionString, Version, Source, _log) = (externalServer, version, "ConnectionStrings__postgres", _ => { });
        _output = new ProcessOutput(_log);
    }

    private EmbeddedPostgres(PostgresBinaries binaries, RunFolder run, string folder, int port, string password, int maxConnections, Action<string> log)
    {
        (_binaries, _run, _folder, _maxConnections, _log, _output) = (binaries, run, folder, maxConnections, log, new ProcessOutput(log));
        (Port, Version, Source) = (port, binaries.Version, binaries.Folder);
        ConnectionString = new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = port,
            Username = Superuser,
            Password = password,
            Database = "postgres",
        }.ConnectionString;
    }

    /// <summary>Connects to the database <c>postgres</c> as the superuser.</summary>
    public string ConnectionString { get; }

    /// <summary>The server's version, such as <c>18.4</c>.</summary>
    public string Version { get; }

    /// <summary>Where the server comes from: the folder of its programs, or the name of the setting that points to it.</summary>
    public string Source { get; }

    /// <summary>The server's process; null when the server is not ours.</summary>
    public int? ProcessId => _process?.Id;

    /// <summary>Whether the server was there before us and outlives us: what is created on it has to be dropped again.</summary>
    public bool IsExternal => _binaries is null;

    internal int? Port { get; }

    private string DataFolder => Path.Combine(_folder, "data");

    /// <summary>Starts a server for tests, in a temporary folder that goes with it; it survives the death of the process but not of the machine.</summary>
    /// <param name="maxConnections">How many connections it accepts.</param>
    /// <param name="ct">Stops the start.</param>
    /// <returns>The server, accepting connections.</returns>
    /// <exception cref="EngineException">No server can be had on this machine; the message lists the ways to get one.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(int maxConnections = 300, CancellationToken ct = default)
    {
        if (await FindExternalAsync(ct) is { } external)
        {
            return external;
        }

        var run = await RunFolder.CreateTemporaryAsync(ct);
        try
        {
            var server = await StartAsync(run, new Passwords(run), preferredPort: null, maxConnections, _ => { }, ct);
            server._ownsRun = true;
            return server;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>The same for the platform: in its folder, with the data that is there.</summary>
    internal static async Task<EmbeddedPostgres> StartAsync(
        RunFolder run, Passwords passwords, int? preferredPort, int maxConnections, Action<string> log, CancellationToken ct)
    {
        if (await FindExternalAsync(ct) is { } external)
        {
            return external;
        }

        var folder = Folders.Server(run.Path);
        var versionFile = Path.Combine(folder, "data", "PG_VERSION");
        await ServerAccount.OwnAsync(folder, ct);
        var hasData = File.Exists(versionFile);
        if (hasData && !passwords.Knows(Superuser))
        {
            throw new EngineException($"{run.Path} holds a database but its {Passwords.FileName} is gone. Put it back, or start afresh with --reset, which deletes the data.");
        }

        var binaries = await PostgresBinaries.FindAsync(hasData ? int.Parse(await File.ReadAllTextAsync(versionFile, ct), CultureInfo.InvariantCulture) : null, log, ct);
        var server = new EmbeddedPostgres(binaries, run, folder, Ports.Take(preferredPort), passwords.For(Superuser), maxConnections, log);
        try
        {
            if (!hasData)
            {
                await PostgresData.CreateAsync(binaries, folder, server.DataFolder, Superuser, passwords.For(Superuser), ct);
            }

            await server.LaunchAsync(ct);
            server._watch = server.WatchAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops the server and, when it was started for tests, deletes its data.</summary>
    /// <returns>Completes when nothing of it is left.</returns>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _watch;
        if (_process is not null)
        {
            await StopAsync(_process);
            _process.Dispose();
            Ports.Return(Port!.Value);
        }

        if (_ownsRun)
        {
            await _run!.DisposeAsync();
        }

        _stopping.Dispose();
    }

    private static async Task<EmbeddedPostgres?> FindExternalAsync(CancellationToken ct)
    {
        if (Environment.GetEnvironmentVariable("ConnectionStrings__postgres") is not { Length: > 0 } connectionString)
        {
            return null;
        }

        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(ct);
            return new EmbeddedPostgres(connectionString, connection.PostgreSqlVersion.ToString());
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            throw new EngineException("The setting ConnectionStrings__postgres is malformed: give the connection string of a PostgreSQL server's superuser, such as Host=localhost;Username=postgres;Password=...", error);
        }
        catch (NpgsqlException error)
        {
            throw new EngineException($"The server that ConnectionStrings__postgres names does not answer: {error.Message}", error);
        }
    }

    private async Task LaunchAsync(CancellationToken ct)
    {
        string[] settings =
        [
            "listen_addresses=127.0.0.1", "unix_socket_directories=", $"port={Port}", $"max_connections={_maxConnections}",
            "password_encryption=scram-sha-256", "jit=off", "log_checkpoints=off", "log_line_prefix=",
            "log_min_messages=log", // a failed statement is for the service that sent it to report
            // A folder that goes with the run need not survive the machine; surviving the process takes no fsync.
            .. _run!.IsTemporary ? ["fsync=off", "full_page_writes=off"] : (string[])[],
        ];
        string[] command = [_binaries!.Program("postgres"), "-D", DataFolder, .. settings.SelectMany(setting => new[] { "-c", setting })];
        if (OperatingSystem.IsLinux())
        {
            // In a session of its own: Ctrl-C in the terminal is for us, and the database goes down after the services.
            command = ["setsid", .. command];
        }

        var start = new ProcessStartInfo(command[0], command[1..])
        {
            UserName = ServerAccount.Name ?? "",
            WorkingDirectory = _folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var deadline = Stopwatch.StartNew();
        while (true)
        {
            _process = Process.Start(start)!;
            _run.Track(_process, Signals.Interrupt); // its "fast" shutdown
            _process.StandardInput.Close();
            _output.Follow(_process);
            if (await AcceptsConnectionsAsync(_process, deadline, ct))
            {
                return;
            }

            if (deadline.Elapsed > StartTimeout || !_output.ToString().Contains("still in use", StringComparison.Ordinal))
            {
                throw new EngineException($"PostgreSQL {Version} does not start. It says:{Environment.NewLine}{_output}");
            }

            // The children of a killed server take a moment to go.
            _output.Clear();
            await Task.Delay(TimeSpan.FromMilliseconds(200), ct);
        }
    }

    private async Task<bool> AcceptsConnectionsAsync(Process process, Stopwatch deadline, CancellationToken ct)
    {
        var probe = new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false, Timeout = 2 }.ConnectionString;
        while (!process.HasExited && deadline.Elapsed < StartTimeout)
        {
            try
            {
                await using var connection = new NpgsqlConnection(probe);
                await connection.OpenAsync(ct);
                await using var command = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
                if (await command.ExecuteScalarAsync(ct) is false)
                {
                    return true;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(25), ct); // restored from a backup, and not all of it is read in yet
            }
            catch (PostgresException error) when (error is { SqlState: PostgresErrorCodes.InvalidPassword })
            {
                throw new EngineException($"The password in {Passwords.FileName} is not that of the data beside it. Put the right file back, or start afresh with --reset, which deletes the data.", error);
            }
            catch (NpgsqlException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(25), ct);
            }
        }

        await process.WaitForExitAsync(ct).WaitAsync(LongestPause, ct);
        return false;
    }

    private async Task WatchAsync()
    {
        var pause = TimeSpan.Zero;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await _process!.WaitForExitAsync(_stopping.Token);
                _log($"PostgreSQL ended with exit code {_process.ExitCode}; starting it again");
                _run!.Untrack(_process.Id);
                await Task.Delay(pause, _stopping.Token);
                pause = pause == TimeSpan.Zero ? TimeSpan.FromMilliseconds(250) : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
                await LaunchAsync(_stopping.Token);
                pause = TimeSpan.Zero;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception error) when (error is EngineException or System.ComponentModel.Win32Exception)
            {
                _log(error.Message);
            }
        }
    }

    private async Task StopAsync(Process process)
    {
        if (!process.HasExited)
        {
            // A folder that is deleted next needs no tidy shutdown.
            var mode = _run!.IsTemporary ? "immediate" : "fast";
            await Tool.TryRunAsync(_binaries!.Program("pg_ctl"), ["stop", "--pgdata", DataFolder, "--mode", mode, "--timeout", "20"], ServerAccount.Name, _folder);
            await Signals.EndAsync(process, Signals.Interrupt, CancellationToken.None);
        }

        _run!.Untrack(process.Id);
    }
}
