using System.Net;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Cart;

public sealed class CartTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("cart");

    [Fact]
    [Trait("Covers", "A-CA-01")]
    public async Task A_cart_that_was_never_opened_is_shown_empty_and_reading_it_stores_nothing()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("HEAD", Shop.MyCart, token: account.AccessToken).StatusAsync());
        var cart = await http.SendAsync("GET", Shop.MyCart, token: account.AccessToken).JsonAsync();
        Assert.Equal(
            ["customerId", "items", "total"], cart.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal),
            StringComparer.Ordinal);
        Assert.Equal(
            (account.Id, "0.00", 0),
            (cart.GetProperty("customerId").GetInt64(), cart.Raw("total"), cart.GetProperty("items").GetArrayLength()));
        Assert.Equal(0, await CartsAsync(account));
    }

    [Fact]
    [Trait("Covers", "A-CA-02")]
    [Trait("Covers", "N-27")]
    public async Task A_cart_shows_its_items_at_present_prices_with_an_exact_total()
    {
        var account = await platform.RegisterAsync();
        var productId = await platform.AddProductAsync(0.10m, "Dime");
        var itemId = await http.AddItemAsync(account, productId, 3);
        foreach (var path in new[] { Shop.MyCart, Shop.CartOf(account.Id), Shop.CartOf(account.Id) + "/" })
        {
            var cart = await http.SendAsync("GET", path, token: account.AccessToken).JsonAsync();
            var item = Assert.Single(cart.GetProperty("items").EnumerateArray());
            Assert.Equal(
                ["id", "lineTotal", "name", "productId", "quantity", "unitPrice"],
                item.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
            Assert.Equal(
                (itemId, productId, "Dime", "0.10", 3, "0.30"),
                (
                    item.Id(), item.GetProperty("productId").GetInt64(), item.Text("name"), item.Raw("unitPrice"),
                    item.GetProperty("quantity").GetInt32(), item.Raw("lineTotal")));
            Assert.Equal("0.30", cart.Raw("total"));
        }

        Assert.Equal(1, await CartsAsync(account));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("DELETE")]
    [Trait("Covers", "A-CA-03")]
    [Trait("Covers", "A-CA-05")]
    public async Task Another_customers_cart_is_forbidden_and_stays_unchanged(string method)
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        await http.AddItemAsync(other, 1, 2);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(method, Shop.CartOf(other.Id), token: account.AccessToken).ProblemAsync()).Status);
        Assert.Equal(1, await ItemsAsync(other));
    }

    [Fact]
    [Trait("Covers", "A-CA-04")]
    public async Task Clearing_a_cart_removes_its_items_and_keeps_the_cart()
    {
        var account = await platform.RegisterAsync();
        await http.AddItemAsync(account, 1, 2);
        for (var i = 0; i < 2; i++)
        {
            using var response = await http.SendAsync("DELETE", Shop.CartOf(account.Id), token: account.AccessToken);
            Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
            Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
            Assert.Equal((1L, 0L), (await CartsAsync(account), await ItemsAsync(account)));
        }
    }

    [Fact]
    [Trait("Covers", "A-CA-06")]
    [Trait("Covers", "A-CA-07")]
    [Trait("Covers", "A-CA-08")]
    public async Task An_admin_reads_and_clears_another_customers_cart()
    {
        var (account, admin) = (await platform.RegisterAsync(), await AdminAsync());
        var empty = await http.SendAsync("GET", Shop.CartOf(account.Id), token: admin).JsonAsync();
        Assert.Equal((account.Id, "0.00"), (empty.GetProperty("customerId").GetInt64(), empty.Raw("total")));
        Assert.Equal(0, await CartsAsync(account));

        await http.AddItemAsync(account, await platform.AddProductAsync(19.99m), 5);
        var seen = await http.SendAsync("GET", Shop.CartOf(account.Id), token: admin).JsonAsync();
        Assert.Equal(("99.95", 1), (seen.Raw("total"), seen.GetProperty("items").GetArrayLength()));

        Assert.Equal(HttpStatusCode.NoContent, await http.SendAsync("DELETE", Shop.CartOf(account.Id), token: admin).StatusAsync());
        Assert.Equal((1L, 0L), (await CartsAsync(account), await ItemsAsync(account)));
    }

    [Fact]
    [Trait("Covers", "A-CA-09")]
    public async Task Clearing_a_cart_that_was_never_opened_is_not_found()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.SendAsync("DELETE", Shop.CartOf(account.Id), token: await AdminAsync()).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.SendAsync("DELETE", Shop.CartOf(999_999), token: await AdminAsync()).ProblemAsync()).Status);
        Assert.Equal(0, await CartsAsync(account));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("999999")]
    [InlineData("2147483648")]
    [InlineData("9223372036854775807")]
    [InlineData("9223372036854775808")]
    [InlineData("-1")]
    [InlineData("abc")]
    [Trait("Covers", "N-10")]
    public async Task A_customer_who_does_not_exist_has_no_cart_even_for_an_admin(string id)
    {
        var admin = await AdminAsync();
        foreach (var (method, path, body) in new (string, string, object?)[]
        {
            ("GET", "", null),
            ("POST", "/items", new { productId = 1, quantity = 1 }),
            ("PATCH", "/items/1", new { quantity = 1 }),
            ("DELETE", "/items/1", null),
        })
        {
            var problem = await http.SendAsync(method, $"/api/v1/carts/{id}{path}", body, admin).ProblemAsync();
            Assert.Equal(HttpStatusCode.NotFound, problem.Status);
        }

        Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id::text = $1", id));
    }

    [Fact]
    [Trait("Covers", "N-08")]
    public async Task Sixty_concurrent_reads_of_a_new_cart_succeed_and_four_concurrent_additions_open_one_cart()
    {
        // Opens enough connections first, so that all sixty requests reach the cart at the same time.
        var other = await platform.CustomerTokenAsync("nonadmin4@email.com");
        await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => http.SendAsync("GET", Shop.MyCart, token: other).StatusAsync()));
        var account = await platform.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ =>
            http.SendAsync("GET", Shop.MyCart, token: account.AccessToken).StatusAsync()));
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.OK, status));
        Assert.Equal(0, await CartsAsync(account));
        var added = await Task.WhenAll(Enumerable.Range(1, 4).Select(productId =>
            http.SendAsync("POST", Shop.MyItems, new { productId, quantity = 1 }, account.AccessToken).StatusAsync()));
        Assert.All(added, status => Assert.Equal(HttpStatusCode.Created, status));
        Assert.Equal((1L, 4L), (await CartsAsync(account), await ItemsAsync(account)));
    }

    [Fact]
    public async Task Every_change_of_an_item_changes_the_tag_of_the_cart_and_reading_does_not()
    {
        // The clock stands still at a time that the database stores exactly, so the time of a change cannot change the tag.
        platform.Clock.SetUtcNow(DateTimeOffset.FromUnixTimeMilliseconds(platform.Clock.GetUtcNow().ToUnixTimeMilliseconds() + 1));
        var account = await platform.RegisterAsync();
        var tags = new List<string> { await http.CartTagAsync(account) };
        Assert.Equal(tags[0], await http.CartTagAsync(account));
        var itemId = await http.AddItemAsync(account, 1, 1);
        tags.Add(await http.CartTagAsync(account));
        using (var response = await http.SendAsync("PATCH", $"{Shop.MyItems}/{itemId}", new { quantity = 2 }, account.AccessToken))
        {
            tags.Add(response.Headers.ETag!.Tag);
        }

        Assert.Equal(tags[^1], await http.CartTagAsync(account));
        await http.SendAsync("DELETE", $"{Shop.MyItems}/{itemId}", token: account.AccessToken).StatusAsync();
        tags.Add(await http.CartTagAsync(account));
        Assert.Equal(4, tags.ToHashSet(StringComparer.Ordinal).Count);
    }

    [Fact]
    public async Task A_write_with_an_outdated_cart_tag_is_refused_and_changes_nothing()
    {
        var account = await platform.RegisterAsync();
        var old = ("If-Match", await http.CartTagAsync(account));
        var itemId = await http.AddItemAsync(account, 1, 1);
        var writes = new (string Method, string Path, object? Body)[]
        {
            ("DELETE", Shop.MyCart, null),
            ("POST", Shop.MyItems, new { productId = 2, quantity = 1 }),
            ("PATCH", $"{Shop.MyItems}/{itemId}", new { quantity = 5 }),
            ("DELETE", $"{Shop.MyItems}/{itemId}", null),
        };
        foreach (var (method, path, body) in writes)
        {
            Assert.Equal(
                HttpStatusCode.PreconditionFailed,
                (await http.SendAsync(method, path, body, account.AccessToken, old).ProblemAsync()).Status);
            Assert.Equal(
                ["If-Match"],
                (await http.SendAsync(method, path, body, account.AccessToken, ("If-Match", "nonsense")).ProblemAsync()).Fields);
        }

        Assert.Equal(
            "1:1",
            await platform.QueryAsync<string>(
                "cartdb", "SELECT string_agg(product_id || ':' || quantity, ',') FROM cart_items WHERE customer_id = $1", account.Id));
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", Shop.MyCart, token: account.AccessToken, headers: ("If-Match", await http.CartTagAsync(account)))
                .StatusAsync());
    }

    [Fact]
    public async Task The_tag_of_an_unopened_cart_is_valid_for_the_first_product_only()
    {
        var account = await platform.RegisterAsync();
        var unopened = ("If-Match", await http.CartTagAsync(account));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await AddAsync(1, ("If-Match", "\"7\"")));
        Assert.Equal(0, await CartsAsync(account));
        Assert.Equal(HttpStatusCode.Created, await AddAsync(1, unopened));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await AddAsync(2, unopened));
        Assert.Equal(1, await ItemsAsync(account));

        Task<HttpStatusCode> AddAsync(long productId, (string, string) ifMatch) =>
            http.SendAsync("POST", Shop.MyItems, new { productId, quantity = 1 }, account.AccessToken, ifMatch).StatusAsync();
    }

    private Task<string> AdminAsync() => platform.CustomerTokenAsync(Accounts.Admin);

    private Task<long> CartsAsync(Account account) =>
        platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", account.Id);

    private Task<long> ItemsAsync(Account account) =>
        platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE customer_id = $1", account.Id);
}
