using MicroPlatform.Tests.Cart;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Flow;

/// <summary>An event that this replica does not know: during a deployment, a replica of the next version may know it.</summary>
[Trait("Speed", "slow")]
public sealed class UnknownEventTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task An_unknown_event_is_deferred_until_a_replica_can_handle_it()
    {
        var account = await platform.RegisterAsync();
        using var cart = platform.Http("cart");
        await cart.AddItemAsync(account, productId: 1);

        await platform.QueryAsync<object>("busdb", """
            INSERT INTO messages (recipient, priority, expiration, visible, headers, body)
            VALUES ('cart', 0, now() + '1 day', now(),
                '{"rbs2-msg-id":"early","rbs2-msg-type":"customers.customer-deleted.v2",
                "rbs2-content-type":"application/json;charset=utf-8"}', convert_to($1, 'UTF8'))
            """, $$"""{"customerId":{{account.Id}}}""");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "busdb",
                "SELECT count(*) FROM messages WHERE recipient = 'cart' AND convert_from(headers, 'UTF8') LIKE "
                    + "'%rbs2-defer-count%'") == 1, "the event is deferred");
        Assert.Equal(0, await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages WHERE recipient = 'dead-letters'"));
        Assert.Equal(1, await CartsAsync());

        // Renames the event to a known one, as if a replica that knows it took it.
        await platform.QueryAsync<object>(
            "busdb",
            "UPDATE messages SET headers = convert_to(replace(convert_from(headers, 'UTF8'), 'deleted.v2', 'deleted.v1'), 'UTF8')");
        await Eventually.TrueAsync(async () => await CartsAsync() == 0, "the event is handled");

        Task<long> CartsAsync() => platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", account.Id);
    }
}
