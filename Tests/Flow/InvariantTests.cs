using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Flow;

/// <summary>The check finds violations: each test adds one to valid demo data.</summary>
[Trait("Speed", "slow")]
public sealed class InvariantTests(Cluster cluster, InvariantTests.DemoData demo) : IClassFixture<InvariantTests.DemoData>
{
    [Fact]
    [Trait("Covers", "N-25")]
    public async Task The_demo_data_violates_no_invariant() => Assert.Empty(await CheckAsync());

    [Theory]
    [InlineData(
        "warehouse",
        "ALTER TABLE items DROP CONSTRAINT ck_items_free, DROP CONSTRAINT ck_items_stock; UPDATE items SET free = -1 WHERE id = 1",
        "negative")]
    [InlineData(
        "warehouse", "ALTER TABLE items DROP CONSTRAINT ck_items_stock; UPDATE items SET received = received + 1 WHERE id = 1",
        "received is not")]
    [InlineData("warehouse", "UPDATE items SET free = free - 1, reserved = 1 WHERE id = 2", "reserved for no order")]
    [InlineData("warehouse", "UPDATE items SET free = free - 1, shipped = shipped + 1 WHERE id = 2", "shipped with no order")]
    [InlineData(
        "warehouse", "INSERT INTO reservations (order_id, status, changed_at) VALUES (99, 'Reserved', now())",
        "order 99, which does not exist")]
    [InlineData(
        "sales", "ALTER TABLE orders DISABLE TRIGGER USER; UPDATE orders SET status = 'Pending', confirmed_at = NULL WHERE id = 1",
        "not settled")]
    [InlineData("sales", "UPDATE orders SET status = 'Cancelled', cancelled_at = now() WHERE id = 1", "live transaction")]
    [InlineData("sales", "UPDATE order_lines SET quantity = 2 WHERE order_id = 1 AND line = 0", "was posted")]
    [InlineData("accounting", "UPDATE transactions SET voided_at = now() WHERE id = 1", "no live transaction")]
    [InlineData("accounting", "UPDATE transactions SET source = 'order:99' WHERE id = 1", "order 99, which does not exist")]
    [InlineData("accounting", "UPDATE transactions SET sum = 1 WHERE id = 1", "was posted")]
    [InlineData(
        "accounting",
        "DROP INDEX ix_transactions_source; INSERT INTO transactions (order_id, sum, date, source) VALUES (1, 150, now(), 'order:1')",
        "2 live transactions")]
    [InlineData(
        "cart", "INSERT INTO checkouts (id, customer_id, order_id, started_at, lines) VALUES (gen_random_uuid(), 1, 99, now(), '[]')",
        "was given order 99, which does not exist")]
    [InlineData(
        "cart", "INSERT INTO checkouts (id, customer_id, order_id, started_at, lines) VALUES (gen_random_uuid(), 1, 1, now(), '[]')",
        "its cart still waits for it")]
    [InlineData(
        "sales", "DROP INDEX ix_orders_checkout_id; UPDATE orders SET checkout_id = '01a20510-baf0-7f63-add4-296d305b3773'",
        "made 2 orders")]
    public async Task A_planted_violation_is_found(string service, string sql, string expected) =>
        Assert.Contains(await CheckAsync(service, sql), violation => violation.Contains(expected, StringComparison.Ordinal));

    /// <summary>Only the service whose data is changed gets a database of its own.</summary>
    private async Task<IReadOnlyList<string>> CheckAsync(string? service = null, string sql = "")
    {
        if (service is null)
        {
            return await FindAsync(name => demo.Databases[name]);
        }

        var planted = await cluster.CloneAsync(service);
        try
        {
            await using var source = Npgsql.NpgsqlDataSource.Create(cluster.ConnectionStringTo(planted));
            await using var command = source.CreateCommand(sql);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            return await FindAsync(name => string.Equals(name, service, StringComparison.Ordinal) ? planted : demo.Databases[name]);
        }
        finally
        {
            await cluster.DropAsync(planted);
        }

        Task<IReadOnlyList<string>> FindAsync(Func<string, string> databaseOf) =>
            Invariants.FindViolationsAsync(
                database => cluster.ConnectionStringTo(databaseOf(database[..^2])), TestContext.Current.CancellationToken);
    }

    /// <summary>The unchanged demo data.</summary>
    public sealed class DemoData(Cluster cluster) : IAsyncLifetime
    {
        public Dictionary<string, string> Databases { get; } = new(StringComparer.Ordinal);

        public async ValueTask InitializeAsync()
        {
            foreach (var name in new[] { "sales", "warehouse", "accounting", "cart" })
            {
                Databases[name] = await cluster.CloneAsync(name);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var database in Databases.Values)
            {
                await cluster.DropAsync(database);
            }
        }
    }
}
