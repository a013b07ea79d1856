using Npgsql;

namespace MicroPlatform.Bench;

/// <summary>Direct access to the databases: adds rows for the lists, and counts statements.</summary>
internal sealed class Data(Platform platform)
{
    private static readonly (string Database, string Insert)[] Rows =
    [
        ("cartdb", """
            INSERT INTO products (sku, name, description, price, created_at)
            SELECT 'SKU-1', 'Widget ' || n, 'A widget that does its one job well', 1 + n % 500, now() FROM generate_series(1, $1) n
            """),
        // Enough stock, so that no checkout is rejected.
        ("warehousedb", """
            INSERT INTO items (sku, name, description, country_of_origin, price, received, free, reserved, shipped)
            SELECT 'W-' || n, 'widget ' || n, 'A widget that does its one job well', 'Land ' || n % 200, 1 + n % 500, 100, 100, 0, 0
            FROM generate_series(1, $1) n
            """),
        ("warehousedb", "UPDATE items SET received = received + $1 * 10, free = free + $1 * 10 WHERE id <= 3"),
        ("tododb", """
            INSERT INTO todos (user_id, title, text, completed, created_at)
            SELECT '01900000-0000-7000-8000-000000000003', 'Task ' || n, 'What there is to do', n % 2 = 0, now()
            FROM generate_series(1, $1) n
            """),
        // These orders are cancelled, so that they need no goods and no transactions.
        ("salesdb", """
            WITH placed AS (
                INSERT INTO orders (customer_id, date, status, cancelled_at)
                SELECT 3 + n % 2, now(), 'Cancelled', now() FROM generate_series(1, $1) n RETURNING id)
            INSERT INTO order_lines (order_id, line, sku, quantity, unit_price) SELECT id, 0, 'SKU-1', 1, 9.99 FROM placed
            """),
    ];

    /// <summary>Adds rows to products, warehouse items, to-dos and orders.</summary>
    public async Task AddRowsAsync(int count)
    {
        foreach (var (database, insert) in Rows)
        {
            await ExecuteAsync(database, insert, count);
            await ExecuteAsync(database, "VACUUM ANALYZE");
        }
    }

    /// <summary>Lets the server count statements from its next start on.</summary>
    public Task PreloadStatementCounterAsync() =>
        ExecuteAsync(Processes.Postgres, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");

    /// <summary>Makes the statement counter readable.</summary>
    public Task AddStatementCounterAsync() => ExecuteAsync(Processes.Postgres, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements");

    /// <summary>How many statements the server has executed, BEGIN and COMMIT included, this one not.</summary>
    public async Task<long> StatementsAsync() => (long)(await ScalarAsync(
        Processes.Postgres, "SELECT sum(calls)::bigint FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'"))!;

    public async Task<string> VersionAsync() => ((string)(await ScalarAsync(Processes.Postgres, "SHOW server_version"))!).Split(' ')[0];

    public async Task<long> ConnectionsAsync() => (long)(await ScalarAsync(
        Processes.Postgres, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))!;

    public async Task<long[]> IdsAsync(string database, string table) =>
        (long[])(await ScalarAsync(database, $"SELECT array_agg(id) FROM {table}"))!;

    private async Task ExecuteAsync(string database, string sql, params object[] parameters)
    {
        await using var connection = await OpenAsync(database);
        await using var command = Command(connection, sql, parameters);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<object?> ScalarAsync(string database, string sql)
    {
        await using var connection = await OpenAsync(database);
        await using var command = Command(connection, sql);
        return await command.ExecuteScalarAsync();
    }

    public async Task<NpgsqlConnection> OpenAsync(string database)
    {
        var settings = new NpgsqlConnectionStringBuilder(platform.ConnectionString(database)) { Pooling = false, CommandTimeout = 600 };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    public static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        return command;
    }
}
