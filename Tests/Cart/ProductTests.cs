using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Cart;

public sealed class ProductTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("cart");

    [Fact]
    [Trait("Covers", "A-PL-01")]
    public async Task Anyone_sees_five_more_products_after_five_additions()
    {
        var before = await ListAsync("?limit=200");
        for (var i = 0; i < 5; i++)
        {
            await platform.AddProductAsync();
        }

        var after = await ListAsync("?limit=200");
        Assert.Equal(before.Count + 5, after.Count);
        Assert.Equal(after.Select(Shop.Id).Order(), after.Select(Shop.Id));
    }

    [Fact]
    [Trait("Covers", "A-PL-02")]
    public async Task Searching_for_the_beginning_of_a_name_finds_the_product_with_its_exact_price()
    {
        var id = await platform.AddProductAsync(0.10m, "Unmistakable thing");
        var found = Assert.Single(await ListAsync("?search=UNMISTAK"));
        Assert.Equal((id, "0.10", "SKU-TEST"), (found.Id(), found.Raw("price"), found.Text("sku")));
    }

    [Theory]
    [InlineData("100% wool", "%25")]
    [InlineData("snake_case", "e_c")]
    [Trait("Covers", "N-12")]
    public async Task Wildcards_in_a_search_are_matched_literally(string name, string search)
    {
        await platform.AddProductAsync(name: name);
        Assert.Equal(
            [name], (await ListAsync("?search=" + search)).Select(p => p.Text("name")).ToHashSet(StringComparer.Ordinal),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task The_demo_catalogue_has_three_products_with_warehouse_SKUs_and_one_with_an_unknown_SKU()
    {
        var demo = (await ListAsync("?search=Product_&limit=4")).Select(p => (p.Text("name"), p.Text("sku"), p.Raw("price")));
        Assert.Equal(
            [
                ("Product_0", "SKU-1", "99.99"), ("Product_1", "SKU-2", "149.99"), ("Product_2", "SKU-3", "199.99"),
                ("Product_3", "SKU-UNKNOWN", "249.99"),
            ],
            demo);
    }

    [Fact]
    public async Task A_new_product_is_stored_as_sent_and_readable_at_its_location()
    {
        using var response = await http.SendAsync(
            "POST", Shop.Products, new { sku = "S-1", name = "Thing", description = "Fine", price = 12.5m }, await AdminAsync());
        var created = await Task.FromResult(response).JsonAsync(HttpStatusCode.Created);
        using var shown = await http.SendAsync("GET", response.Headers.Location!.OriginalString);
        Assert.Equal(created.GetRawText(), (await Task.FromResult(shown).JsonAsync()).GetRawText());
        Assert.Equal(response.Headers.ETag, shown.Headers.ETag);
        Assert.Equal(
            "S-1 Thing Fine 12.50",
            await platform.QueryAsync<string>(
                "cartdb", "SELECT concat_ws(' ', sku, name, description, price) FROM products WHERE id = $1", created.Id()));
    }

    [Theory]
    [InlineData("POST", "")]
    [InlineData("PUT", "/1")]
    [InlineData("DELETE", "/1")]
    public async Task Only_admins_change_the_catalogue(string method, string path)
    {
        var body = method is "DELETE" ? null : new { sku = "S", name = "Stolen", price = 0.01m };
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync(method, Shop.Products + path, body).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await http.SendAsync(method, Shop.Products + path, body, await platform.CustomerTokenAsync("nonadmin3@email.com"))
                .StatusAsync());
        Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM products WHERE name = 'Stolen'"));
        Assert.Equal(1, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM products WHERE id = 1"));
    }

    [Theory]
    [InlineData("{}", "name,price,sku")]
    [InlineData("""{"sku":" ","name":"","price":1}""", "name,sku")]
    [InlineData("""{"sku":"s","name":"n","price":0}""", "price")]
    [InlineData("""{"sku":"s","name":"n","price":-1}""", "price")]
    [InlineData("""{"sku":"s","name":"n","price":1000000}""", "price")]
    [InlineData("""{"sku":"s","name":"n","price":1.001}""", "price")]
    [InlineData("""{"sku":"s","name":"n","price":1e400}""", "price")]
    [InlineData("""{"sku":"s","name":"n","price":"1"}""", "price")]
    [InlineData("""{"sku":"s","name":"a\u0000b","price":1}""", "name")]
    [InlineData("""{"sku":"s","name":"n","price":1,"id":1}""", "id")]
    [InlineData("""{"sku":"s","name":"n","price":1,"price":2}""", "price")]
    [InlineData("[]", "body")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_product_is_a_bad_request_that_names_the_fields_and_stores_nothing(string body, string fields)
    {
        var before = await platform.QueryAsync<string>(
            "cartdb", "SELECT string_agg(row_to_json(p)::text, ',' ORDER BY id) FROM products p");
        foreach (var (method, path) in new[] { ("POST", ""), ("PUT", "/1") })
        {
            var problem = await http.SendAsync(method, Shop.Products + path, body, await AdminAsync()).ProblemAsync();
            Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
            Assert.Equal(fields.Split(','), problem.Fields);
        }

        Assert.Equal(
            before,
            await platform.QueryAsync<string>("cartdb", "SELECT string_agg(row_to_json(p)::text, ',' ORDER BY id) FROM products p"));
    }

    [Theory]
    [InlineData(64, 200, 2000, HttpStatusCode.Created)]
    [InlineData(65, 200, 2000, HttpStatusCode.BadRequest)]
    [InlineData(64, 201, 2000, HttpStatusCode.BadRequest)]
    [InlineData(64, 200, 2001, HttpStatusCode.BadRequest)]
    public async Task Product_texts_have_maximum_lengths(int sku, int name, int description, HttpStatusCode expected) =>
        Assert.Equal(expected, await http.SendAsync(
        "POST",
        Shop.Products,
        new { sku = new string('s', sku), name = new string('ü', name), description = new string('d', description), price = 999_999.99m },
        await AdminAsync()).StatusAsync());

    [Fact]
    public async Task A_replaced_product_has_exactly_the_new_values()
    {
        var id = await platform.AddProductAsync();
        var replaced = await http.SendAsync(
            "PUT", $"{Shop.Products}/{id}", new { sku = "NEW", name = "New", price = 3m }, await AdminAsync()).JsonAsync();
        Assert.Equal(
            ("NEW", "New", "", "3.00"), (replaced.Text("sku"), replaced.Text("name"), replaced.Text("description"), replaced.Raw("price")));
        Assert.Equal(
            "NEW New 3.00",
            await platform.QueryAsync<string>("cartdb", "SELECT concat_ws(' ', sku, name, price) FROM products WHERE id = $1", id));
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_replacements_with_one_tag_succeeds()
    {
        var path = $"{Shop.Products}/{await platform.AddProductAsync()}";
        var (tag, admin) = (await TagAsync(path), await AdminAsync());
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
            http.SendAsync("PUT", path, new { sku = "s", name = $"Name {i}", price = 1m }, admin, ("If-Match", tag)).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(9, answers.Count(status => status == HttpStatusCode.PreconditionFailed));
    }

    [Fact]
    public async Task A_product_in_a_cart_is_not_deleted()
    {
        var (account, id) = (await platform.RegisterAsync(), await platform.AddProductAsync());
        await http.AddItemAsync(account, id);
        Assert.Equal(
            HttpStatusCode.Conflict,
            (await http.SendAsync("DELETE", $"{Shop.Products}/{id}", token: await AdminAsync()).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Conflict,
            (await http.SendAsync(
                "DELETE", $"{Shop.Products}/{id}?removeFromCarts=false", token: await AdminAsync()).ProblemAsync()).Status);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", $"{Shop.Products}/{id}").StatusAsync());
        Assert.Single((await http.SendAsync(
            "GET", Shop.MyCart, token: account.AccessToken).JsonAsync()).GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task Deleting_a_product_with_removeFromCarts_removes_it_from_carts_and_changes_their_tags()
    {
        var (account, bystander) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        var (gone, kept) = (await platform.AddProductAsync(), await platform.AddProductAsync(price: 2m));
        await http.AddItemAsync(account, gone);
        await http.AddItemAsync(account, kept);
        await http.AddItemAsync(bystander, kept);
        var (tag, bystandersTag) = (await http.CartTagAsync(account), await http.CartTagAsync(bystander));
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", $"{Shop.Products}/{gone}?removeFromCarts=true", token: await AdminAsync()).StatusAsync());
        Assert.Equal("2.00", (await http.SendAsync("GET", Shop.MyCart, token: account.AccessToken).JsonAsync()).Raw("total"));
        Assert.NotEqual(tag, await http.CartTagAsync(account), StringComparer.Ordinal);
        Assert.Equal(bystandersTag, await http.CartTagAsync(bystander));
        Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE product_id = $1", gone));
    }

    [Fact]
    public async Task A_new_price_changes_the_total_and_the_tag_of_a_cart_and_a_new_description_does_not()
    {
        var (account, id) = (await platform.RegisterAsync(), await platform.AddProductAsync(1m, "Steady"));
        await http.AddItemAsync(account, id, 3);
        var before = await http.CartTagAsync(account);
        await http.SendAsync(
            "PUT", $"{Shop.Products}/{id}", new { sku = "OTHER", name = "Steady", description = "New words", price = 1m },
            await AdminAsync()).JsonAsync();
        Assert.Equal(before, await http.CartTagAsync(account));
        await http.SendAsync(
            "PUT", $"{Shop.Products}/{id}", new { sku = "OTHER", name = "Steady", description = "New words", price = 1.10m },
            await AdminAsync()).JsonAsync();
        Assert.Equal("3.30", (await http.SendAsync("GET", Shop.MyCart, token: account.AccessToken).JsonAsync()).Raw("total"));
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("DELETE", Shop.MyCart, token: account.AccessToken, headers: ("If-Match", before)).StatusAsync());
    }

    [Fact]
    public async Task Deleting_a_product_during_concurrent_additions_leaves_no_cart_item_for_it()
    {
        var id = await platform.AddProductAsync();
        var accounts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => platform.RegisterAsync()));
        var admin = await AdminAsync();
        var adding = accounts.Select(account =>
            http.SendAsync("POST", Shop.MyItems, new { productId = id, quantity = 1 }, account.AccessToken).StatusAsync()).ToList();
        var deleted = await http.SendAsync("DELETE", $"{Shop.Products}/{id}?removeFromCarts=true", token: admin).StatusAsync();
        Assert.Equal(HttpStatusCode.NoContent, deleted);
        Assert.All(
            await Task.WhenAll(adding), status => Assert.Contains(status, new[] { HttpStatusCode.Created, HttpStatusCode.BadRequest }));
        Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE product_id = $1", id));
    }

    private Task<string> AdminAsync() => platform.CustomerTokenAsync(Accounts.Admin);

    private async Task<string> TagAsync(string path)
    {
        using var response = await http.SendAsync("GET", path);
        return response.Headers.ETag!.Tag;
    }

    private async Task<List<JsonElement>> ListAsync(string query) =>
        [.. (await http.SendAsync("GET", Shop.Products + query).JsonAsync()).GetProperty("items").EnumerateArray()];
}
