using System.Net;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Cart;

public sealed class CartItemTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("cart");

    [Theory]
    [InlineData("""{"quantity":1}""", "productId")]
    [InlineData("""{"productId":1}""", "quantity")]
    [InlineData("{}", "productId,quantity")]
    [InlineData("""{"productId":1,"quantity":6}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":0}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":-1}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":"3"}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":2.5}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":true}""", "quantity")]
    [InlineData("""{"productId":1,"quantity":99999999999}""", "quantity")]
    [InlineData("""{"productId":null,"quantity":1}""", "productId")]
    [InlineData("""{"productId":2147483648,"quantity":1}""", "productId")]
    [InlineData("""{"productId":9223372036854775808,"quantity":1}""", "productId")]
    [InlineData("""{"productId":0,"quantity":1}""", "productId")]
    [InlineData("""{"productId":-1,"quantity":1}""", "productId")]
    [InlineData("""{"productId":999999,"quantity":1}""", "productId")]
    [InlineData("""{"productId":1,"quantity":1,"unitPrice":0.01}""", "unitPrice")]
    [InlineData("", "body")]
    [InlineData("""{"productId":1,""", "body")]
    [Trait("Covers", "A-CI-01")]
    [Trait("Covers", "A-CI-02")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_item_is_a_bad_request_that_names_the_field_and_stores_nothing(string body, string fields)
    {
        var account = await platform.RegisterAsync();
        var problem = await http.SendAsync("POST", Shop.MyItems, body, account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(fields.Split(','), problem.Fields);
        Assert.Null(await ItemsAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-03")]
    public async Task A_new_customer_puts_a_product_into_the_cart_without_opening_it_first()
    {
        var (account, productId) = (await platform.RegisterAsync(), await platform.AddProductAsync(10.01m));
        using var response = await http.SendAsync("POST", Shop.ItemsOf(account.Id), new { productId, quantity = 3 }, account.AccessToken);
        var cart = await Task.FromResult(response).JsonAsync(HttpStatusCode.Created);
        var item = Assert.Single(cart.GetProperty("items").EnumerateArray());
        Assert.Equal(
            ("30.03", 3, productId),
            (cart.Raw("total"), item.GetProperty("quantity").GetInt32(), item.GetProperty("productId").GetInt64()));
        Assert.Equal($"{productId}:3", await ItemsAsync(account.Id));
        using var located = await http.SendAsync("GET", response.Headers.Location!.OriginalString, token: account.AccessToken);
        Assert.Equal(cart.GetRawText(), (await Task.FromResult(located).JsonAsync()).GetRawText());
        Assert.Equal(response.Headers.ETag, located.Headers.ETag);
    }

    [Fact]
    [Trait("Covers", "A-CI-04")]
    public async Task Adding_the_same_product_twice_is_a_conflict_on_productId()
    {
        var account = await platform.RegisterAsync();
        await http.AddItemAsync(account, 1, 2);
        var problem = await http.SendAsync("POST", Shop.MyItems, new { productId = 1, quantity = 3 }, account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, problem.Status);
        Assert.Equal(["productId"], problem.Fields);
        Assert.Equal("1:2", await ItemsAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-05")]
    public async Task A_customer_cannot_add_to_another_customers_cart()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(
                "POST", Shop.ItemsOf(other.Id), new { productId = 1, quantity = 1 }, account.AccessToken).ProblemAsync()).Status);
        Assert.Null(await ItemsAsync(other.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-06")]
    public async Task An_admin_adds_a_product_to_another_customers_cart()
    {
        var (account, productId) = (await platform.RegisterAsync(), await platform.AddProductAsync(2.5m));
        var cart = await http.SendAsync("POST", Shop.ItemsOf(account.Id), new { productId, quantity = 4 }, await AdminAsync())
            .JsonAsync(HttpStatusCode.Created);
        Assert.Equal((account.Id, "10.00"), (cart.GetProperty("customerId").GetInt64(), cart.Raw("total")));
        Assert.Equal($"{productId}:4", await ItemsAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-07")]
    public async Task An_admin_cannot_add_to_the_cart_of_a_nonexistent_customer()
    {
        foreach (var id in new[] { 0, 999_999, long.MaxValue })
        {
            Assert.Equal(
                HttpStatusCode.NotFound,
                (await http.SendAsync(
                    "POST", Shop.ItemsOf(id), new { productId = 1, quantity = 1 }, await AdminAsync()).ProblemAsync()).Status);
            Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", id));
        }
    }

    [Theory]
    [InlineData("""{"quantity":6}""", "quantity")]
    [InlineData("""{"quantity":0}""", "quantity")]
    [InlineData("""{"quantity":"2"}""", "quantity")]
    [InlineData("{}", "quantity")]
    [InlineData("""{"quantity":2,"productId":2}""", "productId")]
    [InlineData("", "body")]
    [Trait("Covers", "A-CI-08")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_quantity_is_a_bad_request_and_changes_nothing(string body, string field)
    {
        var account = await platform.RegisterAsync();
        var itemId = await http.AddItemAsync(account, 1, 2);
        var problem = await http.SendAsync("PATCH", $"{Shop.MyItems}/{itemId}", body, account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
        Assert.Equal("1:2", await ItemsAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-09")]
    public async Task A_quantity_is_set_and_not_added()
    {
        var (account, productId) = (await platform.RegisterAsync(), await platform.AddProductAsync(1.99m));
        var itemId = await http.AddItemAsync(account, productId, 2);
        foreach (var quantity in new[] { 5, 5, 1 })
        {
            var cart = await http.SendAsync("PATCH", $"{Shop.ItemsOf(account.Id)}/{itemId}", new { quantity }, account.AccessToken)
                .JsonAsync();
            Assert.Equal((1.99m * quantity).ToString("F2", System.Globalization.CultureInfo.InvariantCulture), cart.Raw("total"));
            Assert.Equal($"{productId}:{quantity}", await ItemsAsync(account.Id));
        }
    }

    [Theory]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    [Trait("Covers", "A-CI-10")]
    [Trait("Covers", "A-CI-12")]
    public async Task A_customer_can_neither_change_nor_remove_another_customers_item(string method)
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        await http.AddItemAsync(account, 1);
        var itemId = await http.AddItemAsync(other, 2, 2);
        var body = method is "PATCH" ? new { quantity = 5 } : null;
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(method, $"{Shop.ItemsOf(other.Id)}/{itemId}", body, account.AccessToken).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.SendAsync(method, $"{Shop.MyItems}/{itemId}", body, account.AccessToken).ProblemAsync()).Status);
        Assert.Equal("2:2", await ItemsAsync(other.Id));
    }

    [Fact]
    [Trait("Covers", "A-CI-11")]
    public async Task An_item_is_removed_once_and_then_not_found()
    {
        var account = await platform.RegisterAsync();
        await http.AddItemAsync(account, 2, 1);
        var itemId = await http.AddItemAsync(account, 1, 1);
        using (var response = await http.SendAsync("DELETE", $"{Shop.MyItems}/{itemId}", token: account.AccessToken))
        {
            Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
            Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        }

        Assert.Equal("2:1", await ItemsAsync(account.Id));
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.SendAsync("DELETE", $"{Shop.MyItems}/{itemId}", token: account.AccessToken).ProblemAsync()).Status);
    }

    [Fact]
    [Trait("Covers", "A-CI-13")]
    [Trait("Covers", "A-CI-15")]
    public async Task An_admin_changes_and_removes_another_customers_item()
    {
        var (account, productId) = (await platform.RegisterAsync(), await platform.AddProductAsync(3m));
        var path = $"{Shop.ItemsOf(account.Id)}/{await http.AddItemAsync(account, productId, 1)}";
        Assert.Equal("12.00", (await http.SendAsync("PATCH", path, new { quantity = 4 }, await AdminAsync()).JsonAsync()).Raw("total"));
        Assert.Equal($"{productId}:4", await ItemsAsync(account.Id));
        Assert.Equal(HttpStatusCode.NoContent, await http.SendAsync("DELETE", path, token: await AdminAsync()).StatusAsync());
        Assert.Null(await ItemsAsync(account.Id));
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_additions_of_one_product_succeeds()
    {
        var account = await platform.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ =>
            http.SendAsync("POST", Shop.MyItems, new { productId = 1, quantity = 1 }, account.AccessToken).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.Created));
        Assert.Equal(11, answers.Count(status => status == HttpStatusCode.Conflict));
        Assert.Equal("1:1", await ItemsAsync(account.Id));
    }

    [Fact]
    public async Task Concurrent_additions_of_different_products_all_succeed()
    {
        var account = await platform.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(1, 4).Select(productId =>
            http.SendAsync("POST", Shop.MyItems, new { productId, quantity = productId }, account.AccessToken).StatusAsync()));
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.Created, status));
        Assert.Equal("1:1,2:2,3:3,4:4", await ItemsAsync(account.Id));
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_changes_with_one_tag_succeeds()
    {
        var account = await platform.RegisterAsync();
        var path = $"{Shop.MyItems}/{await http.AddItemAsync(account, 1)}";
        var tag = await http.CartTagAsync(account);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
            http.SendAsync("PATCH", path, new { quantity = 1 + (i % 5) }, account.AccessToken, ("If-Match", tag)).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(9, answers.Count(status => status == HttpStatusCode.PreconditionFailed));
    }

    [Fact]
    public async Task Concurrent_requests_with_one_idempotency_key_add_one_item()
    {
        var (account, key) = (await platform.RegisterAsync(), ("Idempotency-Key", Guid.NewGuid().ToString()));
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
            (await http.SendAsync(
                "POST", Shop.MyItems, new { productId = 1, quantity = 2 }, account.AccessToken,
                key).JsonAsync(HttpStatusCode.Created)).GetRawText()));
        Assert.Single(answers.ToHashSet(StringComparer.Ordinal));
        Assert.Equal("1:2", await ItemsAsync(account.Id));
        Assert.Equal(
            HttpStatusCode.UnprocessableEntity,
            await http.SendAsync("POST", Shop.MyItems, new { productId = 2, quantity = 2 }, account.AccessToken, key).StatusAsync());
        Assert.Equal("1:2", await ItemsAsync(account.Id));
    }

    [Fact]
    public async Task A_refused_addition_does_not_use_up_its_idempotency_key()
    {
        var (account, key) = (await platform.RegisterAsync(), ("Idempotency-Key", Guid.NewGuid().ToString()));
        Assert.Equal(
            HttpStatusCode.BadRequest,
            await http.SendAsync("POST", Shop.MyItems, new { productId = 999_999, quantity = 2 }, account.AccessToken, key).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Created,
            await http.SendAsync("POST", Shop.MyItems, new { productId = 1, quantity = 2 }, account.AccessToken, key).StatusAsync());
    }

    [Fact]
    public async Task The_database_refuses_a_quantity_out_of_range()
    {
        var account = await platform.RegisterAsync();
        var itemId = await http.AddItemAsync(account, 1);
        var failure = await Assert.ThrowsAsync<Npgsql.PostgresException>(() =>
            platform.QueryAsync<long>("cartdb", "UPDATE cart_items SET quantity = 6 WHERE id = $1", itemId));
        Assert.Equal("ck_cart_items_quantity", failure.ConstraintName);
    }

    private Task<string> AdminAsync() => platform.CustomerTokenAsync(Accounts.Admin);

    private Task<string?> ItemsAsync(long customerId) => platform.QueryAsync<string>(
        "cartdb", "SELECT string_agg(product_id || ':' || quantity, ',' ORDER BY product_id) FROM cart_items WHERE customer_id = $1",
        customerId);
}
