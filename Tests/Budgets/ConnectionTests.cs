using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Budgets;

/// <summary>How many connections to PostgreSQL the services hold.</summary>
[Trait("Speed", "slow")]
public sealed class ConnectionTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const int Callers = 16;

    [Fact]
    public async Task Concurrent_callers_need_no_more_than_one_connection_each()
    {
        const int housekeeping = 2; // the outbox and the check for dead letters
        using var http = platform.Http("cart");
        var token = await platform.CustomerTokenAsync("nonadmin3@email.com");

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(async _ =>
        {
            for (var number = 0; number < 20; number++)
            {
                await http.SendAsync("GET", "/api/v1/carts/me", token: token).JsonAsync();
            }
        }));

        var database = new NpgsqlConnectionStringBuilder(platform.ConnectionString("cartdb")).Database!;
        var held = await platform.QueryAsync<long>(
            "cartdb", "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'Cart'", database);
        Assert.InRange(held, 1, Callers + housekeeping);
    }

    [Fact]
    public async Task An_idle_service_queries_its_own_database_no_more_often_than_its_queue()
    {
        // Because signals may be lost, a timer checks the outbox, less often than the queue. No other timer queries the database.
        using var http = platform.Http("cart");
        await http.SendAsync("GET", "/api/v1/products").JsonAsync();
        await platform.QuietAsync();

        // Connections report their statistics up to ten seconds late, so the first samples may include the start.
        await Eventually.TrueAsync(
            async () => await CommittedDuringFiveChecksAsync() <= 5, "five queue checks pass with at most five statements", seconds: 120);
    }

    /// <summary>The transactions in the service's own database during five checks of its queue.</summary>
    private async Task<long> CommittedDuringFiveChecksAsync()
    {
        var (own, bus) = (await CommittedAsync("cartdb"), await CommittedAsync("busdb"));
        await Eventually.TrueAsync(
            async () => await CommittedAsync("busdb") >= bus + 5, "the queue was checked five times", seconds: 60);
        return await CommittedAsync("cartdb") - own;
    }

    // Runs on another database, so that the query does not count itself.
    private async Task<long> CommittedAsync(string database)
    {
        var name = new NpgsqlConnectionStringBuilder(platform.ConnectionString(database)).Database!;
        return await platform.QueryAsync<long>("customersdb", "SELECT xact_commit FROM pg_stat_database WHERE datname = $1", name);
    }
}
