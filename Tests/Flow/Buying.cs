using System.Net;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Flow;

/// <summary>New customers for tests of events.</summary>
internal static class Buying
{
    /// <summary>A customer with something in the cart.</summary>
    public static async Task<Account> BuyerAsync(this TestPlatform platform)
    {
        using var cart = platform.Http("cart");
        var account = await platform.RegisterAsync();
        await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, account.AccessToken)
            .JsonAsync(HttpStatusCode.Created);
        return account;
    }

    /// <summary>A customer whose checkout is settled: the goods are shipped and the sum is posted.</summary>
    public static async Task<Account> CheckOutAsync(this TestPlatform platform)
    {
        using var cart = platform.Http("cart");
        var account = await platform.BuyerAsync();
        await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: account.AccessToken).JsonAsync(HttpStatusCode.Accepted);
        await Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken), "the order is settled",
            seconds: 40);
        return account;
    }

    /// <summary>
    /// Fills the outbox of Customers as if the service was killed after a commit and before its events left: rows without a signal, more
    /// than fit in one batch. The last row says that this customer was deleted.
    /// </summary>
    public static Task FillOutboxAsync(this TestPlatform platform, long customerId) => platform.QueryAsync<object>("customersdb", """
        INSERT INTO outbox ("DestinationAddress", "Headers", "Body")
        SELECT 'cart',
            format(
                '{"rbs2-msg-id":"%s","rbs2-msg-type":"customers.customer-deleted.v1","rbs2-content-type":"application/json;charset=utf-8"}',
                gen_random_uuid()),
            convert_to(format('{"customerId":%s}', CASE n WHEN 250 THEN $1 ELSE 1000000 + n END), 'UTF8')
        FROM generate_series(1, 250) AS n
        """, customerId);
}
