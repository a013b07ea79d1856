using System.Net;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Flow;

/// <summary>
/// A token that expires between the start of a checkout and the call to Sales. The test has its own class, because it moves the clock.
/// </summary>
[Trait("Speed", "slow")]
public sealed class CheckoutExpiryTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Checkout = "/api/v1/carts/me/checkout";

    [Fact]
    public async Task A_token_that_expires_during_a_checkout_gives_401_and_a_new_token_completes_the_checkout()
    {
        using var cart = platform.Http("cart");
        using var customers = platform.Http("customers");
        var email = Accounts.NewEmail();
        var account = await platform.RegisterAsync(email);
        await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, account.AccessToken)
            .JsonAsync(HttpStatusCode.Created);

        // A lock on the cart's row stops the checkout after the call to Customers and before the call to Sales.
        await using var holder = await platform.Db("cartdb");
        await using var transaction = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using var hold = new Npgsql.NpgsqlCommand(
            "SELECT FROM carts WHERE customer_id = $1 FOR UPDATE", holder, transaction)
        { Parameters = { new() { Value = account.Id } } };
        await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var checkout = cart.SendAsync("POST", Checkout, token: account.AccessToken);
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "cartdb",
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                    + "'Lock'") == 1, "the checkout waits for its cart");
        platform.Clock.Advance(TimeSpan.FromMinutes(16));
        await transaction.CommitAsync(TestContext.Current.CancellationToken);

        using var refused = await checkout;
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (refused.StatusCode, refused.Headers.WwwAuthenticate.ToString()));
        var renewed = await customers.LoginAsync(email);
        await cart.SendAsync("POST", Checkout, token: renewed.AccessToken).JsonAsync(HttpStatusCode.Accepted);
        Assert.Equal(1, await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders WHERE customer_id = $1", account.Id));
    }
}
