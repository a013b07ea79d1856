using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Flow;

/// <summary>Signals that never arrive: services find events by polling.</summary>
[Trait("Speed", "slow")]
public sealed class LostSignalTests : IClassFixture<TestPlatform>
{
    private readonly TestPlatform platform;

    public LostSignalTests(TestPlatform platform)
    {
        this.platform = platform;
        platform.Settings["Messaging:PollingMilliseconds"] = "200";
    }

    [Fact]
    public async Task A_checkout_without_the_trigger_is_settled_by_polling()
    {
        await StartAsync();
        // A service that connects creates a missing trigger, so all must be connected before the test drops it.
        await Eventually.TrueAsync(async () => await ListenersAsync() == 4, "all services listen");
        await platform.QueryAsync<object>("busdb", "DROP TRIGGER messages_signal ON messages");
        await platform.CheckOutAsync();
        Assert.Equal(0, await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM pg_trigger WHERE tgname = 'messages_signal'"));
    }

    [Fact]
    public async Task Another_replica_sends_the_events_that_a_killed_replica_left_in_the_outbox()
    {
        await StartAsync();
        var account = await platform.BuyerAsync();
        await platform.FillOutboxAsync(account.Id);
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1",
                account.Id) == 0, "the last of its events is handled", seconds: 60);
    }

    private async Task StartAsync()
    {
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting", "sales", "cart" })
        {
            platform.Http(service).Dispose();
        }

        await platform.QuietAsync();
    }

    private Task<long> ListenersAsync() => platform.QueryAsync<long>(
        "busdb",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% listener' AND query LIKE "
            + "'SELECT min%'");
}
