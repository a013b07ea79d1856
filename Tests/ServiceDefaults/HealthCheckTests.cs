using System.Collections.Concurrent;
using System.Diagnostics;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>A failed health check gives the reason in its result, not as an exception, and checks leave no trace.</summary>
[Trait("Speed", "slow")]
public sealed class HealthCheckTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HealthCheckService checks = platform.Services("customers").GetRequiredService<HealthCheckService>();

    [Fact]
    public async Task Both_checks_report_a_database_that_is_not_migrated_yet()
    {
        await using var db = await platform.Db("customersdb");
        await ExecuteAsync(db, """ALTER TABLE "__EFMigrationsHistory" RENAME TO history; ALTER TABLE signing_keys RENAME TO keys""");
        try
        {
            await UnreadyAsync("The schema has not been made yet.");
        }
        finally
        {
            await ExecuteAsync(db, """ALTER TABLE history RENAME TO "__EFMigrationsHistory"; ALTER TABLE keys RENAME TO signing_keys""");
        }
    }

    [Fact]
    public async Task Both_checks_report_a_database_that_does_not_answer_in_time()
    {
        await using var db = await platform.Db("customersdb");
        await using var transaction = await db.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(db, """LOCK TABLE "__EFMigrationsHistory", signing_keys IN ACCESS EXCLUSIVE MODE""");
        await UnreadyAsync("The database does not answer in time.");
    }

    [Fact]
    public async Task Requests_are_traced_and_probes_and_housekeeping_are_not()
    {
        platform.Settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = TestPlatform.NoCollector;
        var database = new NpgsqlConnectionStringBuilder(platform.ConnectionString("cartdb")).Database!;
        using var seen = new Seen(database);
        platform.Services("cart").GetRequiredService<TracerProvider>().AddProcessor(seen);
        using var cart = platform.Http("cart");
        await cart.SendAsync("GET", "/api/v1/products").JsonAsync();
        await Eventually.TrueAsync(() => Task.FromResult(!seen.Statements.IsEmpty), "a request's statement is traced");
        seen.Statements.Clear();

        var longAgo = platform.Clock.GetUtcNow() - TimeSpan.FromDays(31);
        await platform.QueryAsync<object>("cartdb", "INSERT INTO inbox_messages VALUES ('old', 'old', $1)", longAgo);
        await platform.QueryAsync<object>(
            "cartdb", "INSERT INTO checkouts (id, customer_id, started_at, lines) VALUES (gen_random_uuid(), 1, $1, '[]')", longAgo);
        // gRPC's health service runs this check every half minute, outside a request.
        var report = await platform.Services("cart").GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HealthStatus.Healthy, report.Status);
        platform.Clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM inbox_messages WHERE consumer = 'old'") == 0,
            "housekeeping has run");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM checkouts WHERE given_up_at IS NOT NULL") == 1,
            "the late checkout is given up");
        string[] untraced = ["MigrationsHistory", "DELETE FROM inbox_messages", "order_id IS NULL"];
        Assert.DoesNotContain(seen.Statements, statement => untraced.Any(part => statement.Contains(part, StringComparison.Ordinal)));
    }

    private async Task UnreadyAsync(string reason)
    {
        // Until this time has passed, the keys in memory need no database.
        platform.Clock.Advance(TimeSpan.FromMinutes(2));
        var report = await checks.CheckHealthAsync(TestContext.Current.CancellationToken);
        foreach (var entry in new[] { report.Entries["database"], report.Entries["signing-keys"] })
        {
            Assert.Equal((HealthStatus.Unhealthy, reason, null), (entry.Status, entry.Description, entry.Exception));
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection db, string sql)
    {
        await using var command = new NpgsqlCommand(sql, db);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The traced statements of one database, because other tests trace theirs in this process.</summary>
    private sealed class Seen(string database) : BaseProcessor<Activity>
    {
        public ConcurrentQueue<string> Statements { get; } = new();

        public override void OnEnd(Activity data)
        {
            if (data.GetTagItem("db.query.text") is string statement
                && data.TagObjects.Any(tag => database.Equals(tag.Value as string, StringComparison.Ordinal)))
            {
                Statements.Enqueue(statement);
            }
        }
    }
}
