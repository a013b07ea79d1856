using System.Net;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Customers.Events;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Bus;

namespace MicroPlatform.Tests.Flow;

/// <summary>Services that poll only once a minute, so an event that is handled sooner was signalled.</summary>
[Trait("Speed", "slow")]
public sealed class SignalTests : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private readonly TestPlatform platform;
    public SignalTests(TestPlatform platform)
    {
        this.platform = platform;
        platform.Settings["Messaging:PollingMilliseconds"] = "60000";
        platform.Settings["Messaging:Deferrals"] = "1";
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting", "sales", "cart" })
        {
            platform.Http(service).Dispose();
        }

        await ListeningAsync("warehouse", "accounting", "sales", "cart");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_checkout_is_settled_by_signals_alone()
    {
        var account = await platform.CheckOutAsync();
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "cartdb", "SELECT count(*) FROM cart_items WHERE customer_id = $1", account.Id) == 0, "the cart is emptied", seconds: 40);
    }

    [Fact]
    public async Task A_deferred_event_is_redelivered_when_due_and_a_dead_letter_when_retried()
    {
        var account = await platform.BuyerAsync();
        await platform.QueryAsync<object>("busdb", """
            INSERT INTO messages (recipient, priority, expiration, visible, headers, body)
            VALUES ('cart', 0, now() + '1 day', now(),
                '{"rbs2-msg-id":"later","rbs2-msg-type":"customers.customer-deleted.v9",
                "rbs2-content-type":"application/json;charset=utf-8"}', convert_to($1, 'UTF8'))
            """, $$"""{"customerId":{{account.Id}}}""");
        long letter = 0;
        await Eventually.TrueAsync(
            async () => (letter = await platform.QueryAsync<int>(
                "busdb",
                "SELECT id FROM messages WHERE recipient = 'dead-letters' AND convert_from(headers, 'UTF8') LIKE "
                    + "'%rbs2-defer-count%'")) > 0,
            "the event is deferred, redelivered and dead-lettered",
            seconds: 40);

        await platform.QueryAsync<object>(
            "busdb",
            "UPDATE messages SET headers = convert_to(replace(convert_from(headers, 'UTF8'), 'deleted.v9', 'deleted.v1'), 'UTF8')");
        using var sales = platform.Http("sales");
        Assert.Equal(
            HttpStatusCode.Accepted,
            await sales.SendAsync("POST", $"/api/v1/sales/dead-letters/{letter}/retry", token: await platform.UserTokenAsync("clerk"))
                .StatusAsync());
        await Eventually.TrueAsync(async () => await CartsAsync(account.Id) == 0, "the event is handled", seconds: 40);
    }

    [Fact]
    public async Task A_listener_whose_connection_is_cut_reconnects_and_handles_events()
    {
        var account = await platform.BuyerAsync();
        var process = await ListenerAsync("cart");
        await platform.QueryAsync<object>("busdb", "SELECT pg_terminate_backend($1)", process);
        await Eventually.TrueAsync(
            async () => await ListenerAsync("cart") is var now && now != 0 && now != process, "the listener is connected again");
        await ListeningAsync("cart");
        await platform.Services("customers").GetRequiredService<IBus>().Publish(new CustomerDeleted(account.Id));
        await Eventually.TrueAsync(async () => await CartsAsync(account.Id) == 0, "the event is handled", seconds: 40);
    }

    [Fact]
    public async Task A_publisher_that_was_killed_with_a_full_outbox_sends_the_events_after_a_restart()
    {
        var account = await platform.BuyerAsync();
        await platform.StopAsync("customers");
        await platform.FillOutboxAsync(account.Id);
        platform.Restart("customers");
        await Eventually.TrueAsync(async () => await CartsAsync(account.Id) == 0, "the last of its events is handled", seconds: 40);
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM outbox") == 0, "its outbox is empty",
            seconds: 40);
    }

    [Fact]
    public async Task Replicas_share_the_events_of_concurrent_orders_and_settle_each_order_once()
    {
        await using var warehouse = platform.StartReplica("warehouse");
        await using var sales = platform.StartReplica("sales");
        await using var accounting = platform.StartReplica("accounting");
        var clerk = await platform.UserTokenAsync("clerk");
        using var placing = platform.Http("sales");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ =>
            placing.SendAsync(
                "POST", "/api/v1/sales/orders", new { customerId = 1, items = new[] { new { itemId = 3, quantity = 1 } } },
                clerk).JsonAsync(HttpStatusCode.Created)));
        await SettledAsync();
        Assert.Equal(
            0,
            await platform.QueryAsync<long>(
                "busdb",
                "SELECT count(*) FROM messages WHERE recipient = 'dead-letters' AND convert_from(headers, 'UTF8') LIKE '%sales.%'"));
    }

    private Task SettledAsync() =>
        Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken),
            "the orders are settled", seconds: 40);

    private Task<long> CartsAsync(long customerId) =>
        platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", customerId);

    private Task<int> ListenerAsync(string queue) =>
        platform.QueryAsync<int>(
            "busdb", "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", $"{queue} listener");

    // After LISTEN, a listener's next statement checks the queue.
    private Task ListeningAsync(params string[] queues) => Eventually.TrueAsync(
        async () => await platform.QueryAsync<long>(
            "busdb",
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = ANY($1) AND state = 'idle' "
                + "AND query LIKE 'SELECT min%'",
            (object)queues.Select(queue => $"{queue} listener").ToArray()) == queues.Length,
        "the services listen");
}
