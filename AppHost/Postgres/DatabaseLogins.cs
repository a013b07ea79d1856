using System.Globalization;
using System.Text;
using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>Makes the databases and their logins when the server is ready.</summary>
/// <param name="server">The server.</param>
/// <param name="folder">The folder of the run.</param>
/// <param name="isShared">Whether the server serves others too, and outlives the run.</param>
/// <param name="reset">Whether databases of earlier runs are dropped at the start.</param>
internal sealed class DatabaseLogins(IResourceWithConnectionString server, DataFolder folder, bool isShared, bool reset)
{
    /// <summary>The file that lets psql and pg_dump find the databases: <c>PGSERVICEFILE=.data/pg_service.conf PGSERVICE=salesdb psql</c>.</summary>
    public const string ServiceFileName = "pg_service.conf";

    private bool _mustReset = reset;

    /// <summary>The databases.</summary>
    public List<ServiceDatabaseResource> Databases { get; } = [];

    // A temporary run on a shared server takes names of its own, and drops them at its end.
    private bool IsBorrowed => isShared && folder.IsTemporary;

    /// <summary>The name that the database and its login have on the server.</summary>
    public string NameOnServer(string database) => IsBorrowed ? $"{database}_{Path.GetFileName(folder.Path)[^12..]}" : database;

    /// <summary>Makes what is missing, sets the passwords, and says that the databases run.</summary>
    public async Task CreateAsync(ResourceNotificationService notifications, CancellationToken ct)
    {
        await using var connection = await ConnectAsync(ct);
        if (!isShared)
        {
            await ExecuteAsync(connection, "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC", ct);
        }

        foreach (var database in Databases)
        {
            if (_mustReset)
            {
                await DropAsync(connection, database.NameOnServer, ct);
            }

            await CreateAsync(connection, database, ct);
        }

        _mustReset = false;
        await WriteServiceFileAsync(ct);
        foreach (var database in Databases)
        {
            await notifications.PublishUpdateAsync(database, state => state with { State = KnownResourceStates.Running });
        }
    }

    /// <summary>Drops the databases and makes them anew, empty. Nobody may be using them.</summary>
    public async Task RecreateAsync(CancellationToken ct)
    {
        await using var connection = await ConnectAsync(ct);
        foreach (var database in Databases)
        {
            await DropAsync(connection, database.NameOnServer, ct);
            await CreateAsync(connection, database, ct);
        }
    }

    /// <summary>Leaves a server that serves others too as it was before a temporary run.</summary>
    public async Task DropBorrowedAsync(CancellationToken ct)
    {
        if (IsBorrowed)
        {
            await using var connection = await ConnectAsync(ct);
            foreach (var database in Databases)
            {
                await DropAsync(connection, database.NameOnServer, ct);
            }
        }
    }

    private static async Task CreateAsync(NpgsqlConnection connection, ServiceDatabaseResource database, CancellationToken ct)
    {
        var name = database.NameOnServer;
        var role = await ExistsAsync(connection, "SELECT 1 FROM pg_roles WHERE rolname = $1", name, ct) ? "ALTER" : "CREATE";
        await ExecuteAsync(connection, $"{role} ROLE \"{name}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{await database.GetPasswordAsync(ct)}'", ct);
        if (!await ExistsAsync(connection, "SELECT 1 FROM pg_database WHERE datname = $1", name, ct))
        {
            await ExecuteAsync(connection, $"GRANT \"{name}\" TO CURRENT_USER", ct); // only a member of a role may give it a database
            await ExecuteAsync(connection, $"CREATE DATABASE \"{name}\" OWNER \"{name}\"", ct);
        }

        await ExecuteAsync(connection, $"REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC", ct);
    }

    private static async Task DropAsync(NpgsqlConnection connection, string name, CancellationToken ct)
    {
        await ExecuteAsync(connection, $"DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)", ct);
        await ExecuteAsync(connection, $"DROP ROLE IF EXISTS \"{name}\"", ct);
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection connection, string query, string name, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(query, connection) { Parameters = { new() { Value = name } } };
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string statement, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    // Not pooled: another run in this process may find a pooled connection dead.
    private async Task<NpgsqlConnection> ConnectAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(await server.GetConnectionStringAsync(ct)) { Database = "postgres", Pooling = false }.ConnectionString);
        await connection.OpenAsync(ct);
        return connection;
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
