using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>A private PostgreSQL server on the loopback interface, run from the programs of this machine.</summary>
internal sealed class LocalPostgresResource(string name, PostgresPrograms programs, DataFolder folder, ParameterResource password, int port)
    : ExecutableResource(name, ServerAccount.Command(programs.Program("postgres")).Program, folder.ServerFolder),
        IResourceWithConnectionString
{
    private const string Superuser = "postgres";
    private const int PreferredPort = 5433;
    private const int OtherConnections = 50; // people, tools and tests
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(50);

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"Host=127.0.0.1;Port={Port};Username={Superuser};Password={password};Database=postgres");

    private string Port => port.ToString(CultureInfo.InvariantCulture);

    private string Data => Path.Combine(folder.ServerFolder, "data");

    private string[] Arguments =>
    [
        "-D", Data, $"--port={Port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories=",
        "--password_encryption=scram-sha-256", "--jit=off", "--log_checkpoints=off", "--log_line_prefix=",
        "--log_min_messages=log", // the service that sent a failed statement reports it
        // A temporary folder need not survive a crash of the machine, and data survives a crash of the process without fsync.
        .. folder.IsTemporary ? ["--fsync=off", "--full_page_writes=off"] : (string[])[],
    ];

    /// <exception cref="StartupException">
    /// There are no programs, or they or the password do not fit the data; the message says what to do.
    /// </exception>
    public static async Task<IResourceBuilder<LocalPostgresResource>> AddAsync(
        IDistributedApplicationBuilder builder, string name, DataFolder folder, int replicas)
    {
        var versionFile = Path.Combine(folder.ServerFolder, "data", "PG_VERSION");
        int? version = File.Exists(versionFile) ? int.Parse(await File.ReadAllTextAsync(versionFile), CultureInfo.InvariantCulture) : null;
        if (version is not null && !folder.HasSecret($"{name}-password"))
        {
            throw new StartupException($"{folder.Path} holds a database, and the file with its password is gone. "
                + "Put secrets.json back, or start afresh with --Reset=true, which deletes the data.");
        }

        var programs = await PostgresPrograms.FindAsync(version);
        var port = Ports.Free(folder.IsTemporary ? null : PreferredPort);
        var password = builder.AddGeneratedSecret($"{name}-password", folder).Resource;
        var server = new LocalPostgresResource(name, programs, folder, password, port);
        builder.Services.AddHealthChecks().AddAsyncCheck(name, server.CheckAsync);
        return builder.AddResource(server)
            .WithIconName("DatabaseMultiple")
            .WithEndpoint(port: port, targetPort: port, scheme: "tcp", name: "tcp", isProxied: false)
            .WithArgs([.. ServerAccount.Command(programs.Program("postgres")).Arguments, .. server.Arguments])
            .WithArgs(context => context.Args.Add($"--max_connections={MaxConnections()}"))
            .WithHealthCheck(name)
            .OnBeforeResourceStarted((_, _, ct) => server.PrepareAsync(ct))
            .ExcludeFromManifest();

        // A process keeps two pools: one to its own database, one to that of the events.
        int MaxConnections() => OtherConnections
            + (2 * builder.Resources.OfType<ServiceDatabaseResource>().Count() * replicas * ServiceDatabaseResource.PoolSize);
    }

    /// <summary>Stops the server with its own tool: at once, without waiting for its clients.</summary>
    /// <returns>Completes when the server is gone, or was not there.</returns>
    public async Task StopAsync(CancellationToken ct)
    {
        // A folder that is deleted next needs no clean shutdown. A server that does not end cleanly recovers at its next start.
        foreach (var mode in folder.IsTemporary ? ["immediate"] : (string[])["fast", "immediate"])
        {
            if (File.Exists(Path.Combine(Data, "postmaster.pid")))
            {
                string[] arguments = ["stop", "--pgdata", Data, "--mode", mode, "--timeout", "20"];
                await ServerAccount.TryRunAsync(programs.Program("pg_ctl"), arguments, folder: folder.ServerFolder, ct: ct);
            }
        }
    }

    // Stops the server of a killed run. Creates the files of a new server in another folder, so that incomplete files never look like data.
    private async Task PrepareAsync(CancellationToken ct)
    {
        await StopAsync(ct); // first, because a running server creates and deletes files
        await ServerAccount.TakeOwnershipAsync(folder.ServerFolder, ct);
        if (Directory.Exists(Data))
        {
            return;
        }

        var passwordFile = Path.Combine(folder.ServerFolder, "password");
        var fresh = Path.Combine(folder.ServerFolder, "data.new");
        if (Directory.Exists(fresh))
        {
            Directory.Delete(fresh, recursive: true);
        }

        DataFolder.WritePrivate(passwordFile, (await password.GetValueAsync(ct))!);
        await ServerAccount.TakeOwnershipAsync(folder.ServerFolder, ct);
        string[] arguments =
        [
            "--pgdata", fresh, "--username", Superuser, "--pwfile", passwordFile, "--auth", "scram-sha-256", "--no-sync",
            "--encoding", "UTF8", "--lc-messages", "C", .. LocaleArguments(),
        ];
        await ServerAccount.RunAsync(programs.Program("initdb"), arguments, folder: folder.ServerFolder, ct: ct);
        File.Delete(passwordFile);
        Directory.Move(fresh, Data);
    }

    // Supports the letters of every language and sorts strings independently of the machine's locale.
    private string[] LocaleArguments() =>
        programs.Major >= 17 ? ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        : OperatingSystem.IsLinux() ? ["--locale", "C.UTF-8"]
        : OperatingSystem.IsMacOS() ? ["--locale", "en_US.UTF-8"]
        : [];

    // The first check runs when the process has just started, and the next a second later, so each check waits for a moment.
    private async Task<HealthCheckResult> CheckAsync(CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ReadyTimeout);
        var complete = await ConnectionStringExpression.GetValueAsync(ct);
        var probe = new NpgsqlConnectionStringBuilder(complete) { Pooling = false, Timeout = 2 }.ConnectionString;
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(probe);
                await connection.OpenAsync(timeout.Token);
                await using var command = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
                if (await command.ExecuteScalarAsync(timeout.Token) is false)
                {
                    return HealthCheckResult.Healthy($"PostgreSQL {programs.Version} from {programs.Folder}");
                }

                await Task.Delay(ProbeInterval, timeout.Token);
            }
            catch (PostgresException refused) when (refused.SqlState is PostgresErrorCodes.InvalidPassword)
            {
                return HealthCheckResult.Unhealthy($"The password in {folder.PathOf("secrets.json")} is not that of the data beside it. "
                    + "Put the right file back, or start afresh with --Reset=true, which deletes the data.");
            }
            catch (NpgsqlException) when (!timeout.IsCancellationRequested)
            {
                await Task.Delay(ProbeInterval, timeout.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception late) when (late is NpgsqlException or OperationCanceledException && !ct.IsCancellationRequested)
            {
                return HealthCheckResult.Unhealthy("PostgreSQL does not accept connections yet; its log says why.");
            }
        }
    }
}
