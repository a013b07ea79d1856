using System.Diagnostics;
using System.Net;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Cart;

public sealed class CartAuthenticationTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient cart = platform.Http("cart");
    private readonly HttpClient customers = platform.Http("customers");

    [Fact]
    [Trait("Covers", "N-07")]
    public async Task A_demoted_admin_loses_shop_admin_rights_at_once()
    {
        var admin = await platform.RegisterAsync(isAdmin: true);
        var product = new { sku = "s", name = "n", price = 1m };
        Assert.Equal(HttpStatusCode.Created, await cart.SendAsync("POST", Shop.Products, product, admin.AccessToken).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", Shop.CartOf(3), token: admin.AccessToken).StatusAsync());
        await customers.SendAsync(
            "PATCH", $"{Accounts.Collection}/{admin.Id}", new { isAdmin = false },
            await platform.CustomerTokenAsync(Accounts.Admin)).JsonAsync();
        Assert.Equal(HttpStatusCode.Forbidden, await cart.SendAsync("POST", Shop.Products, product, admin.AccessToken).StatusAsync());
        Assert.Equal(HttpStatusCode.Forbidden, await cart.SendAsync("GET", Shop.CartOf(3), token: admin.AccessToken).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", Shop.MyCart, token: admin.AccessToken).StatusAsync());
    }

    [Fact]
    public async Task The_token_of_a_deleted_account_is_refused_at_once()
    {
        var account = await platform.RegisterAsync();
        await AssertStatusAsync(account, HttpStatusCode.OK);
        await customers.SendAsync("DELETE", Accounts.Me, token: account.AccessToken).StatusAsync();
        await AssertStatusAsync(account, HttpStatusCode.Unauthorized);
    }

    [Fact]
    [Trait("Covers", "N-06")]
    public async Task A_password_change_invalidates_the_old_token_at_once()
    {
        var account = await platform.RegisterAsync();
        await AssertStatusAsync(account, HttpStatusCode.OK);
        var body = new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another123" };
        var pair = await customers.SendAsync("PUT", Accounts.Me + "/password", body, account.AccessToken).JsonAsync();
        await AssertStatusAsync(account, HttpStatusCode.Unauthorized);
        await AssertStatusAsync(account with { AccessToken = pair.Text("accessToken") }, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Signing_out_invalidates_the_token_at_once()
    {
        var account = await platform.RegisterAsync();
        await AssertStatusAsync(account, HttpStatusCode.OK);
        await customers.SendAsync("POST", Accounts.Logout, new { refreshToken = account.RefreshToken }).StatusAsync();
        await AssertStatusAsync(account, HttpStatusCode.Unauthorized);
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Identity_claimed_in_headers_is_ignored()
    {
        (string, string)[] claims =
        [
            ("user-token", "1"), ("X-User-Id", "1"), ("X-Customer-Id", "1"), ("X-Role", "admin"), ("sub", "1"), ("X-Forwarded-User", "1"),
        ];
        Assert.Equal(HttpStatusCode.Unauthorized, await cart.SendAsync("GET", Shop.CartOf(1), headers: claims).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await cart.SendAsync("GET", Shop.CartOf(1), token: await platform.CustomerTokenAsync("nonadmin3@email.com"), headers: claims)
                .StatusAsync());
    }

    [Fact]
    public async Task Two_authorization_headers_are_refused()
    {
        var token = "Bearer " + await platform.CustomerTokenAsync("nonadmin3@email.com");
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await cart.SendAsync("GET", Shop.MyCart, headers: [("Authorization", token), ("Authorization", token)]).StatusAsync());
    }

    [Fact]
    public async Task Two_customers_on_one_connection_each_see_their_own_cart()
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => platform.RegisterAsync()));
        var seen = await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
            (
                accounts[i % 2].Id,
                (await cart.SendAsync("GET", Shop.MyCart, token: accounts[i % 2].AccessToken).JsonAsync()).GetProperty("customerId")
                    .GetInt64())));
        Assert.All(seen, pair => Assert.Equal(pair.Item1, pair.Item2));
    }

    private async Task AssertUnavailableAsync(Account account)
    {
        using var response = await cart.SendAsync("GET", Shop.MyCart, token: account.AccessToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain("customers", body, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("grpc", body, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("refused", body, StringComparison.OrdinalIgnoreCase);
    }

    private async Task AssertCatalogueAsync(Account account)
    {
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", Shop.Products).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", Shop.Products, token: account.AccessToken).StatusAsync());
    }

    private async Task AssertStatusAsync(Account account, HttpStatusCode expected) =>
        Assert.Equal(expected, await cart.SendAsync("GET", Shop.MyCart, token: account.AccessToken).StatusAsync());

    private Task EventuallyOpensAsync(Account account) => Eventually.TrueAsync(
        async () =>
            await cart.SendAsync("GET", Shop.MyCart, token: account.AccessToken).StatusAsync() == HttpStatusCode.OK, "the cart opens");

    /// <summary>A platform of its own, because the other tests of the class need Customers.</summary>
    [Trait("Speed", "slow")]
    public sealed class Outage(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        [Fact]
        [Trait("Covers", "N-13")]
        public async Task The_cart_is_unavailable_while_Customers_is_down_and_recovers_afterwards()
        {
            var tests = new CartAuthenticationTests(platform);
            var account = await platform.RegisterAsync();
            await tests.AssertStatusAsync(account, HttpStatusCode.OK);
            await platform.StopAsync("customers");
            for (var i = 0; i < 3; i++)
            {
                await tests.AssertUnavailableAsync(account);
                await tests.AssertCatalogueAsync(account);
                Assert.Equal(HttpStatusCode.Unauthorized, await tests.cart.SendAsync("GET", Shop.MyCart).StatusAsync());
                Assert.Equal(
                    HttpStatusCode.ServiceUnavailable,
                    await tests.cart.SendAsync("POST", Shop.MyItems, new { productId = 1, quantity = 1 }, account.AccessToken)
                        .StatusAsync());
            }

            platform.Restart("customers");
            await tests.EventuallyOpensAsync(account);
            Assert.Equal(
                0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE customer_id = $1", account.Id));
        }
    }

    /// <summary>A platform of its own, with the default deadline for calls between services.</summary>
    [Trait("Speed", "slow")]
    public sealed class Silence : IClassFixture<TestPlatform>
    {
        private readonly TestPlatform platform;

        public Silence(TestPlatform platform)
        {
            this.platform = platform;
            platform.Settings.Remove("Calls:Deadline");
        }

        [Fact]
        [Trait("Covers", "N-13")]
        public async Task While_Customers_does_not_answer_the_cart_answers_503_in_time_and_the_catalogue_works()
        {
            var tests = new CartAuthenticationTests(platform);
            var account = await platform.RegisterAsync();
            await tests.EventuallyOpensAsync(account);
            await using var db = await platform.Db("customersdb");
            await using (var transaction = await db.BeginTransactionAsync(TestContext.Current.CancellationToken))
            {
                await using (var command = new NpgsqlCommand("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE", db))
                {
                    await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
                }

                var watch = Stopwatch.StartNew();
                await tests.AssertUnavailableAsync(account);
                Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
                await tests.AssertCatalogueAsync(account);
            }

            await tests.EventuallyOpensAsync(account);
        }
    }
}
