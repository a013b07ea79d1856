using Npgsql;

namespace MicroPlatform.AppHost;

/// <summary>Gives each database its own login, which owns it and is alone in being let in.</summary>
internal sealed class Databases(EmbeddedPostgres server, Passwords passwords, RunFolder run)
{
    /// <summary>What one process may hold at a time of one database; the server's limit is worked out from it.</summary>
    public const int PoolSize = 30;

    private readonly List<string> _created = [];

    // On a server that outlives a temporary run, its databases need names of their own, and go with the run.
    private bool IsBorrowed => server.IsExternal && run.IsTemporary;

    /// <summary>How a service connects to a database.</summary>
    public string ConnectionString(string database) => new NpgsqlConnectionStringBuilder(server.ConnectionString)
    {
        Username = NameOnServer(database),
        Password = passwords.For(NameOnServer(database)),
        Database = NameOnServer(database),
        MaxPoolSize = PoolSize,
    }.ConnectionString;

    public async Task CreateAsync(IEnumerable<string> databases, bool reset, CancellationToken ct)
    {
        await using var connection = await ConnectAsync(ct);
        if (!server.IsExternal)
        {
            await ExecuteAsync(connection, "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC", ct);
        }

        foreach (var name in databases.Select(NameOnServer))
        {
            if (reset)
            {
                await DropAsync(connection, name, ct);
            }

            _created.Add(name);
            var role = await ExistsAsync(connection, "SELECT 1 FROM pg_roles WHERE rolname = $1", name, ct) ? "ALTER" : "CREATE";
            await ExecuteAsync(connection, $"{role} ROLE \"{name}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{passwords.For(name)}'", ct);
            if (!await ExistsAsync(connection, "SELECT 1 FROM pg_database WHERE datname = $1", name, ct))
            {
                await ExecuteAsync(connection, $"GRANT \"{name}\" TO CURRENT_USER", ct); // who is no superuser may only give to roles it is in
                await ExecuteAsync(connection, $"CREATE DATABASE \"{name}\" OWNER \"{name}\"", ct);
            }

            await ExecuteAsync(connection, $"REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC", ct);
        }
    }

    /// <summary>Leaves a borrowed server as it was.</summary>
    public async Task CleanUpAsync()
    {
        if (IsBorrowed)
        {
            await using var connection = await ConnectAsync(CancellationToken.None);
            foreach (var name in _created)
            {
                await DropAsync(connection, name, CancellationToken.None);
            }
        }
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

    // Not pooled: the next run in this process may find a pooled one dead.
    private async Task<NpgsqlConnection> ConnectAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(server.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(ct);
        return connection;
    }

    private string NameOnServer(string database) => IsBorrowed ? $"{database}_{Path.GetFileName(run.Path)[^12..]}" : database;
}
