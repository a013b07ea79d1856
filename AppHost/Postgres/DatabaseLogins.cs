using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>Creates the databases and their logins when the server is ready.</summary>
/// <param name="server">The server.</param>
/// <param name="folder">The folder of the run.</param>
/// <param name="isShared">Whether the server serves others too, and outlives the run.</param>
/// <param name="reset">Whether databases of earlier runs are dropped at the start.</param>
internal sealed class DatabaseLogins(IResourceWithConnectionString server, DataFolder folder, bool isShared, bool reset)
{
    /// <summary>
    /// The file that lets psql and pg_dump find the databases: <c>PGSERVICEFILE=.data/pg_service.conf PGSERVICE=salesdb psql</c>.
    /// </summary>
    public const string ServiceFileName = "pg_service.conf";

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);
    private bool _mustReset = reset;

    /// <summary>The databases.</summary>
    public List<ServiceDatabaseResource> Databases { get; } = [];

    // A temporary run on a shared server uses names of its own, and drops them at its end.
    private bool HasTemporaryDatabases => isShared && folder.IsTemporary;

    /// <summary>The name that the database and its login have on the server.</summary>
    public string NameOnServer(string database) => HasTemporaryDatabases ? $"{database}_{Path.GetFileName(folder.Path)[^12..]}" : database;

    /// <summary>
    /// Creates what is missing, sets the passwords, and reports that the databases run. Services wait for that report, so a busy server
    /// is asked again, and a refusal is reported: the orchestrator drops the exceptions of its events.
    /// </summary>
    public async Task CreateAsync(IServiceProvider services, CancellationToken ct)
    {
        var notifications = services.GetRequiredService<ResourceNotificationService>();
        while (true)
        {
            try
            {
                await CreateOrResetAsync(ct);
                await ReportAsync(KnownResourceStates.Running);
                return;
            }
            catch (Exception failed) when (failed is NpgsqlException or IOException or UnauthorizedAccessException)
            {
                var isTransient = failed is NpgsqlException { IsTransient: true };
                var outcome = isTransient ? "and are tried again" : "so no service starts";
                ILogger[] logs =
                [
                    services.GetRequiredService<ResourceLoggerService>().GetLogger(server),
                    services.GetRequiredService<ILogger<DatabaseLogins>>(),
                ];
                foreach (var log in logs)
                {
                    log.LogError("The databases could not be created, {Outcome}: {Reason}", outcome, failed.Message);
                }

                if (!isTransient)
                {
                    await ReportAsync(KnownResourceStates.FailedToStart);
                    throw;
                }

                await Task.Delay(RetryInterval, ct);
            }
        }

        async Task ReportAsync(string state)
        {
            foreach (var database in Databases)
            {
                await notifications.PublishUpdateAsync(database, snapshot => snapshot with { State = state });
            }
        }
    }

    /// <summary>Drops the databases and creates them again, empty. Nobody may be using them.</summary>
    public async Task RecreateAsync(CancellationToken ct)
    {
        await using var source = await CreateSourceAsync(ct);
        await DropAsync(source, ct);
        await CreateAsync(source, ct);
    }

    /// <summary>Leaves a shared server as it was before a temporary run.</summary>
    public async Task DropTemporaryAsync(CancellationToken ct)
    {
        if (HasTemporaryDatabases)
        {
            await using var source = await CreateSourceAsync(ct);
            await DropAsync(source, ct);
        }
    }

    private async Task CreateOrResetAsync(CancellationToken ct)
    {
        await using var source = await CreateSourceAsync(ct);
        if (!isShared)
        {
            await ExecuteAsync(source, "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC", ct);
        }

        if (_mustReset)
        {
            await DropAsync(source, ct);
            _mustReset = false;
        }

        await CreateAsync(source, ct);
        await WriteServiceFileAsync(ct);
    }

    private async Task CreateAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        foreach (var database in Databases)
        {
            var (name, password) = (database.NameOnServer, await database.GetPasswordAsync(ct));
            var role = await ExistsAsync(source, "SELECT 1 FROM pg_roles WHERE rolname = $1", name, ct) ? "ALTER" : "CREATE";
            await ExecuteAsync(source, $"{role} ROLE \"{name}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'", ct);
            if (!await ExistsAsync(source, "SELECT 1 FROM pg_database WHERE datname = $1", name, ct))
            {
                await ExecuteAsync(source, $"GRANT \"{name}\" TO CURRENT_USER", ct); // only a member of a role may give it a database
                await ExecuteAsync(source, $"CREATE DATABASE \"{name}\" OWNER \"{name}\"", ct);
            }

            await ExecuteAsync(source, $"REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC", ct);
        }
    }

    private async Task DropAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        foreach (var name in Databases.Select(database => database.NameOnServer))
        {
            await ExecuteAsync(source, $"DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)", ct);
            await ExecuteAsync(source, $"DROP ROLE IF EXISTS \"{name}\"", ct);
        }
    }

    private static async Task<bool> ExistsAsync(NpgsqlDataSource source, string query, string name, CancellationToken ct)
    {
        await using var command = source.CreateCommand(query);
        command.Parameters.Add(new() { Value = name });
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource source, string statement, CancellationToken ct)
    {
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(ct);
    }

    // The pool ends with the data source, so another run in this process never gets its dead connections.
    private async Task<NpgsqlDataSource> CreateSourceAsync(CancellationToken ct)
    {
        var connectionString = await server.GetConnectionStringAsync(ct);
        return NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { Database = "postgres", Pooling = true });
    }

    private async Task WriteServiceFileAsync(CancellationToken ct)
    {
        var text = new StringBuilder();
        foreach (var resource in Databases.Prepend(server))
        {
            var settings = new NpgsqlConnectionStringBuilder(await resource.GetConnectionStringAsync(ct));
            text.Append(CultureInfo.InvariantCulture, $"""
                [{resource.Name}]
                host={settings.Host}
                port={settings.Port}
                user={settings.Username}
                password={settings.Password}
                dbname={settings.Database ?? "postgres"}

                """);
        }

        DataFolder.WritePrivate(folder.PathOf(ServiceFileName), text.ToString());
    }
}
