using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>A private PostgreSQL server on the loopback interface, run from the programs of this machine.</summary>
internal sealed class LocalPostgresResource : ExecutableResource, IResourceWithConnectionString
{
    private const string Superuser = "postgres";
    private const int PreferredPort = 5433;
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BetweenProbes = TimeSpan.FromMilliseconds(50);
    private readonly PostgresPrograms _programs;
    private readonly DataFolder _folder;
    private readonly ParameterResource _password;
    private readonly int _port;

    private LocalPostgresResource(string name, PostgresPrograms programs, DataFolder folder, ParameterResource password, int port)
        : base(name, ServerAccount.Command(programs.Program("postgres")).Program, folder.ServerFolder)
    {
        (_programs, _folder, _password, _port) = (programs, folder, password, port);
    }

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression =>
        ReferenceExpression.Create($"Host=127.0.0.1;Port={_port.ToString(CultureInfo.InvariantCulture)};Username={Superuser};Password={_password};Database=postgres");

    private string Data => Path.Combine(_folder.ServerFolder, "data");

    /// <exception cref="StartupException">There are no programs, or they or the password do not fit the data; the message says what to do.</exception>
    public static async Task<IResourceBuilder<LocalPostgresResource>> AddAsync(IDistributedApplicationBuilder builder, string name, PlatformSettings settings, DataFolder folder)
    {
        var versionFile = Path.Combine(folder.ServerFolder, "data", "PG_VERSION");
        int? version = File.Exists(versionFile) ? int.Parse(await File.ReadAllTextAsync(versionFile), CultureInfo.InvariantCulture) : null;
        if (version is not null && !folder.HasSecret($"{name}-password"))
        {
            throw new StartupException($"{folder.Path} holds a database, and the file with its password is gone. Put secrets.json back, or start afresh with --Reset=true, which deletes the data.");
        }

        var programs = await PostgresPrograms.FindAsync(version);
        var port = Ports.Free(folder.IsTemporary ? null : PreferredPort);
        var server = new LocalPostgresResource(name, programs, folder, builder.AddGeneratedSecret($"{name}-password", folder).Resource, port);
        builder.Services.AddHealthChecks().AddAsyncCheck(name, server.CheckAsync);
        return builder.AddResource(server)
            .WithIconName("DatabaseMultiple")
            .WithEndpoint(port: port, targetPort: port, scheme: "tcp", name: "tcp", isProxied: false)
            .WithArgs([.. ServerAccount.Command(programs.Program("postgres")).Arguments, .. server.Arguments(settings.Replicas)])
            .WithHealthCheck(name)
            .OnBeforeResourceStarted((_, _, ct) => server.PrepareAsync(ct))
            .ExcludeFromManifest();
    }

    /// <summary>Ends the server as its own tool does: at once, without waiting for its clients.</summary>
    /// <returns>Completes when the server is gone, or was not there.</returns>
    public async Task StopAsync(CancellationToken ct)
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            // A folder that is deleted next needs no tidy shutdown.
            string[] arguments = ["stop", "--pgdata", Data, "--mode", _folder.IsTemporary ? "immediate" : "fast", "--timeout", "20"];
            await ServerAccount.TryRunAsync(_programs.Program("pg_ctl"), arguments, folder: _folder.ServerFolder, ct: ct);
        }
    }

    private string[] Arguments(int replicas)
    {
        const int databasesOfServices = 14; // seven services, each with its own database and that of the events
        string[] settings =
        [
            "listen_addresses=127.0.0.1", "unix_socket_directories=", $"port={_port}",
            $"max_connections={50 + (databasesOfServices * replicas * ServiceDatabaseResource.PoolSize)}",
            "password_encryption=scram-sha-256", "jit=off", "log_checkpoints=off", "log_line_prefix=",
            "log_min_messages=log", // a failed statement is for the service that sent it to report
            // A temporary folder need not survive the machine, and surviving the process takes no fsync.
            .. _folder.IsTemporary ? ["fsync=off", "full_page_writes=off"] : (string[])[],
        ];
        return ["-D", Data, .. settings.SelectMany(setting => new[] { "-c", setting })];
    }

    // Stops what a killed run left, and makes the files of a new server beside their place, so that half of them never look like data.
    private async Task PrepareAsync(CancellationToken ct)
    {
        await ServerAccount.OwnAsync(_folder.ServerFolder, ct);
        await StopAsync(ct);
        if (Directory.Exists(Data))
        {
            return;
        }

        var passwordFile = Path.Combine(_folder.ServerFolder, "password");
        var fresh = Path.Combine(_folder.ServerFolder, "data.new");
        if (Directory.Exists(fresh))
        {
            Directory.Delete(fresh, recursive: true);
        }

        DataFolder.WritePrivate(passwordFile, (await _password.GetValueAsync(ct))!);
        await ServerAccount.OwnAsync(_folder.ServerFolder, ct);
        string[] arguments =
        [
            "--pgdata", fresh, "--username", Superuser, "--pwfile", passwordFile, "--auth", "scram-sha-256", "--no-sync",
            "--encoding", "UTF8", "--lc-messages", "C", .. LocaleArguments(),
        ];
        await ServerAccount.RunAsync(_programs.Program("initdb"), arguments, folder: _folder.ServerFolder, ct: ct);
        File.Delete(passwordFile);
        Directory.Move(fresh, Data);
    }

    // Letters of every language whatever the machine's own, and the same order of strings everywhere.
    private string[] LocaleArguments() =>
        _programs.Major >= 17 ? ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        : OperatingSystem.IsLinux() ? ["--locale", "C.UTF-8"]
        : OperatingSystem.IsMacOS() ? ["--locale", "en_US.UTF-8"]
        : [];

    // Asked when the process has just started, so it waits a moment: the next question would come a second later.
    private async Task<HealthCheckResult> CheckAsync(CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(ReadyWithin);
        var connectionString = new NpgsqlConnectionStringBuilder(await ConnectionStringExpression.GetValueAsync(ct)) { Pooling = false, Timeout = 2 }.ConnectionString;
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(connectionString);
                await connection.OpenAsync(patience.Token);
                await using var command = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
                if (await command.ExecuteScalarAsync(patience.Token) is false)
                {
                    return HealthCheckResult.Healthy($"PostgreSQL {_programs.Version} from {_programs.Folder}");
                }

                await Task.Delay(BetweenProbes, patience.Token);
            }
            catch (PostgresException refused) when (refused.SqlState is PostgresErrorCodes.InvalidPassword)
            {
                return HealthCheckResult.Unhealthy(
                    $"The password in {_folder.PathOf("secrets.json")} is not that of the data beside it. Put the right file back, or start afresh with --Reset=true, which deletes the data.");
            }
            catch (NpgsqlException) when (!patience.IsCancellationRequested)
            {
                await Task.Delay(BetweenProbes, patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception late) when (late is NpgsqlException or OperationCanceledException && !ct.IsCancellationRequested)
            {
                return HealthCheckResult.Unhealthy("PostgreSQL does not accept connections yet; its log says why.");
            }
        }
    }
}
