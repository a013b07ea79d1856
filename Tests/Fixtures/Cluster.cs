using System.Collections.Concurrent;
using System.Reflection;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

[assembly: AssemblyFixture(typeof(Cluster))]

namespace MicroPlatform.Tests.Fixtures;

/// <summary>
/// One real PostgreSQL for the whole run; every test class gets databases of its own, cloned from migrated and seeded templates.
/// </summary>
public sealed class Cluster : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> templates = new(StringComparer.Ordinal);

    // PostgreSQL cannot clone a template twice at the same time.
    private readonly SemaphoreSlim cloning = new(1, 1);
    private TestPostgres server = null!;

    public async ValueTask InitializeAsync() => server = await TestPostgres.StartAsync();

    public ValueTask DisposeAsync()
    {
        cloning.Dispose();
        // Null if the server did not start; the report should show only that error.
        return server is null ? ValueTask.CompletedTask : server.DisposeAsync();
    }

    /// <summary>
    /// A connection string to a database of this server. Its timeouts are longer than a service's, because the machine may be busy.
    /// </summary>
    public string ConnectionStringTo(string database) =>
        new NpgsqlConnectionStringBuilder(server.ConnectionString)
        {
            Database = database,
            IncludeErrorDetail = true,
            Timeout = 15,
            CommandTimeout = 30,
        }.ConnectionString;

    /// <summary>A new, empty database.</summary>
    public async Task<string> CreateEmptyAsync(string purpose)
    {
        var name = $"{purpose}_{Guid.NewGuid():N}";
        await ExecuteAsync($"CREATE DATABASE {name}");
        return name;
    }

    /// <summary>A new database with the schema and the demo data of a service.</summary>
    public async Task<string> CloneAsync(string service)
    {
        var template = await templates.GetOrAdd(service, key => new(() => MakeTemplateAsync(key))).Value;
        var name = $"{service}_{Guid.NewGuid():N}";
        await cloning.WaitAsync();
        try
        {
            await ExecuteAsync($"CREATE DATABASE {name} TEMPLATE {template}");
        }
        finally
        {
            cloning.Release();
        }

        return name;
    }

    public Task DropAsync(string database) => ExecuteAsync($"DROP DATABASE {database} WITH (FORCE)");

    /// <summary>Creates a template as an operator would: with the service's own <c>--migrate</c>.</summary>
    private async Task<string> MakeTemplateAsync(string service)
    {
        var template = await CreateEmptyAsync($"template_{service}");
        var program = Assembly.Load(TestPlatform.ProjectOf(service)).EntryPoint!;
        var connection = new NpgsqlConnectionStringBuilder(ConnectionStringTo(template)) { Pooling = false }.ConnectionString;
        // The switch comes last, because configuration takes the argument after a key without = as its value.
        string[] args =
        [
            "--SeedDemoData=true", $"--ConnectionStrings:{service}db={connection}", $"--ConnectionStrings:busdb={connection}", "--migrate",
        ];
        var exitCode = await Task.Run(() => program.Invoke(obj: null, [args]));
        return exitCode is 0 ? template : throw new InvalidOperationException($"{service} --migrate ended with exit code {exitCode}.");
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
