using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Warehouse;

public sealed class ItemTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Items = "/api/v1/warehouse/items";
    private readonly HttpClient http = platform.Http("warehouse");

    [Fact]
    [Trait("Covers", "C-WH-01")]
    [Trait("Covers", "C-WH-11")]
    [Trait("Covers", "N-25")]
    public async Task The_list_begins_with_the_demo_items_each_with_its_own_price_and_stock()
    {
        var page = await SendAsync("GET", Items + "?limit=3").JsonAsync();
        Assert.Equal(
            """
            [{"id":1,"sku":"SKU-1","name":"item_1","description":"Description_1",
            "countryOfOrigin":"Germany","price":100.00,"quantity":10,"reserved":0},
            {"id":2,"sku":"SKU-2","name":"item_2","description":"Description_2",
            "countryOfOrigin":"France","price":50.00,"quantity":5,"reserved":0},
            {"id":3,"sku":"SKU-3","name":"item_3","description":"Description_3",
            "countryOfOrigin":"Spain","price":70.00,"quantity":7,"reserved":0}]
            """.ReplaceLineEndings(""),
            page.GetProperty("items").GetRawText());
    }

    [Fact]
    [Trait("Covers", "C-WH-02")]
    [Trait("Covers", "C-WH-13")]
    public async Task An_item_is_shown_with_price_stock_and_version()
    {
        using var response = await SendAsync("GET", Items + "/2");
        Assert.NotNull(response.Headers.ETag);
        Assert.Equal(
            """
            {"id":2,"sku":"SKU-2","name":"item_2","description":"Description_2",
            "countryOfOrigin":"France","price":50.00,"quantity":5,"reserved":0}
            """.ReplaceLineEndings(""),
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    [Trait("Covers", "C-WH-04")]
    [Trait("Covers", "C-WH-05")]
    [Trait("Covers", "N-12")]
    public async Task The_search_by_name_and_country_is_literal_and_case_insensitive()
    {
        var (plain, tricky) = (Unique(), Unique());
        await CreateAsync(plain, country: "Norway");
        await CreateAsync(plain, country: "Sweden");
        await CreateAsync($"{tricky}_50%\\x");

        Assert.Equal(2, await CountAsync($"name={plain.ToUpperInvariant()}"));
        Assert.Equal(1, await CountAsync($"name={plain}&country=NORW"));
        Assert.Equal(0, await CountAsync($"name={plain}&country=Denmark"));
        Assert.Equal(0, await CountAsync("name=no-such-name"));
        Assert.Equal(1, await CountAsync($"name={tricky}_50%25%5Cx"));
        Assert.Equal(0, await CountAsync($"name={tricky}%2550"));
        Assert.Equal(0, await CountAsync($"name={tricky[..5]}_{tricky[6..]}"));
        Assert.Equal(2, await CountAsync($"search=sku-{plain}"));

        async Task<int> CountAsync(string query) =>
            (await SendAsync("GET", $"{Items}?{query}").JsonAsync()).GetProperty("items").GetArrayLength();
    }

    [Fact]
    public async Task An_item_is_listed_as_low_stock_at_five_pieces_and_not_at_six()
    {
        var name = Unique();
        var id = await CreateAsync(name);
        await SendAsync("PATCH", $"{Items}/{id}", new { quantity = 5 }).JsonAsync();
        Assert.Equal((1, 0), (await CountAsync("true"), await CountAsync("false")));
        await SendAsync("PATCH", $"{Items}/{id}", new { quantity = 6 }).JsonAsync();
        Assert.Equal((0, 1), (await CountAsync("true"), await CountAsync("false")));
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync("GET", $"{Items}?lowStock=maybe").ProblemAsync()).Status);

        async Task<int> CountAsync(string low) =>
            (await SendAsync("GET", $"{Items}?name={name}&lowStock={low}").JsonAsync()).GetProperty("items").GetArrayLength();
    }

    [Fact]
    [Trait("Covers", "C-WH-06")]
    [Trait("Covers", "C-WH-12")]
    public async Task A_new_item_is_stored_with_its_price_and_stock_and_the_answer_has_its_location()
    {
        var name = Unique();
        using var response = await SendAsync("POST", Items, Body(name, price: "65.0", quantity: 3));
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var created = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal($"{Items}/{created.GetProperty("id").GetInt64()}", response.Headers.Location?.OriginalString);

        var read = await SendAsync("GET", response.Headers.Location!.OriginalString).JsonAsync();
        Assert.Equal(created.GetRawText(), read.GetRawText());
        Assert.Equal(
            (name, "65.00", 3),
            (read.GetProperty("name").GetString(), read.GetProperty("price").GetRawText(), read.GetProperty("quantity").GetInt32()));
        Assert.Equal("3/3/0/0", await StockAsync(read.GetProperty("id").GetInt64()));
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [Trait("Covers", "C-WH-07")]
    [Trait("Covers", "C-WH-15")]
    public async Task An_update_changes_the_fields_it_contains_and_keeps_the_others(string method)
    {
        var id = await CreateAsync(Unique());
        var name = Unique();
        var changed = await SendAsync(method, $"{Items}/{id}", new { name }).JsonAsync();
        Assert.Equal(
            (name, "Peru", "1.00", 1),
            (
                Text(changed, "name"), Text(changed, "countryOfOrigin"), changed.GetProperty("price").GetRawText(),
                changed.GetProperty("quantity").GetInt32()));

        changed = await SendAsync(method, $"{Items}/{id}", new { description = "New", countryOfOrigin = "South Korea", sku = name })
            .JsonAsync();
        Assert.Equal(
            (name, "New", "South Korea", name),
            (Text(changed, "name"), Text(changed, "description"), Text(changed, "countryOfOrigin"), Text(changed, "sku")));

        Assert.Equal(["body"], (await SendAsync(method, $"{Items}/{id}", "{}").ProblemAsync()).Fields);
        Assert.Equal(changed.GetRawText(), (await SendAsync("GET", $"{Items}/{id}").JsonAsync()).GetRawText());

        static string Text(JsonElement item, string field) => item.GetProperty(field).GetString()!;
    }

    [Fact]
    [Trait("Covers", "C-WH-08")]
    public async Task A_counted_quantity_is_stored_and_the_difference_is_recorded_as_an_adjustment()
    {
        var id = await CreateAsync(Unique(), quantity: 3);
        var changed = await SendAsync("PUT", $"{Items}/{id}", new { quantity = 1000 }).JsonAsync();
        Assert.Equal(1000, changed.GetProperty("quantity").GetInt32());
        await SendAsync("PUT", $"{Items}/{id}", new { quantity = 1000 }).JsonAsync();

        var history = await SendAsync("GET", $"{Items}/{id}/stock-adjustments").JsonAsync();
        Assert.Equal([3, 997], history.GetProperty("items").EnumerateArray().Select(a => a.GetProperty("delta").GetInt64()));
        Assert.Equal("1000/1000/0/0", await StockAsync(id));
    }

    [Fact]
    [Trait("Covers", "C-WH-09")]
    public async Task A_new_price_is_stored()
    {
        var id = await CreateAsync(Unique());
        await SendAsync("PATCH", $"{Items}/{id}", """{"price":10000.5}""").JsonAsync();
        Assert.Equal("10000.50", (await SendAsync("GET", $"{Items}/{id}").JsonAsync()).GetProperty("price").GetRawText());
    }

    [Fact]
    [Trait("Covers", "C-WH-10")]
    [Trait("Covers", "C-WH-16")]
    public async Task Deleting_an_item_deletes_its_history()
    {
        var id = await CreateAsync(Unique(), quantity: 3);
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync("DELETE", $"{Items}/{id}").StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, await SendAsync("GET", $"{Items}/{id}").StatusAsync());
        Assert.Equal(0, await platform.QueryAsync<long>("warehousedb", "SELECT count(*) FROM stock_adjustments WHERE item_id = $1", id));
    }

    [Fact]
    public async Task An_item_that_orders_have_reserved_or_taken_cannot_be_deleted()
    {
        Assert.Equal(HttpStatusCode.Conflict, await SendAsync("DELETE", $"{Items}/1").StatusAsync());
        var reserved = await CreateAsync(Unique(), quantity: 3);
        await platform.QueryAsync<object>("warehousedb", "UPDATE items SET free = 2, reserved = 1 WHERE id = $1", reserved);
        Assert.Equal(HttpStatusCode.Conflict, await SendAsync("DELETE", $"{Items}/{reserved}").StatusAsync());
        Assert.Equal("3/2/1/0", await StockAsync(reserved));
    }

    [Fact]
    [Trait("Covers", "N-18")]
    public async Task The_list_pairs_every_item_with_its_own_values_after_updates_deletes_and_failed_creates()
    {
        var prefix = Unique();
        var ids = new List<long>();
        for (var i = 1; i <= 6; i++)
        {
            ids.Add(await CreateAsync($"{prefix}-{i}", price: $"{i}.00", quantity: i));
        }

        await SendAsync("PUT", $"{Items}/{ids[0]}", new { name = $"{prefix}-7", price = 7, quantity = 7 }).JsonAsync();
        await SendAsync("DELETE", $"{Items}/{ids[2]}").StatusAsync();
        await SendAsync("POST", Items, Body($"{prefix}-4")).ProblemAsync();
        await SendAsync("POST", Items, Body($"{prefix}-9", price: "-1")).ProblemAsync();
        await SendAsync("PUT", $"{Items}/{ids[5]}", new { price = 8, quantity = 8, name = $"{prefix}-8" }).JsonAsync();
        await CreateAsync($"{prefix}-3", price: "3.00", quantity: 3);

        var items = (await SendAsync("GET", $"{Items}?name={prefix}").JsonAsync()).GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(
            ["7", "2", "4", "5", "8", "3"], items.Select(item => item.GetProperty("name").GetString()![(prefix.Length + 1)..]),
            StringComparer.Ordinal);
        Assert.All(items, item =>
        {
            var number = item.GetProperty("name").GetString()![(prefix.Length + 1)..];
            Assert.Equal($"{number}.00", item.GetProperty("price").GetRawText());
            Assert.Equal(number, item.GetProperty("quantity").GetRawText());
        });
    }

    [Fact]
    [Trait("Covers", "N-20")]
    public async Task A_second_item_with_the_same_sku_or_name_and_country_is_a_conflict_and_stores_nothing()
    {
        var name = Unique();
        var first = await CreateAsync(name);
        var other = await CreateAsync(Unique());
        var before = await RowsAsync();

        var problem = await SendAsync("POST", Items, Body(Unique(), sku: $"sku-{name}-Peru")).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "sku"), (problem.Status, Assert.Single(problem.Fields)));
        problem = await SendAsync("POST", Items, Body(name, sku: Unique(), quantity: 5)).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "name"), (problem.Status, Assert.Single(problem.Fields)));
        problem = await SendAsync("PATCH", $"{Items}/{other}", new { name, quantity = 50 }).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "name"), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(before, await RowsAsync());

        // The same name from another country is another item, and an item's own name is no conflict.
        await CreateAsync(name, country: "Chile");
        await SendAsync("PATCH", $"{Items}/{first}", new { name, countryOfOrigin = "Peru" }).JsonAsync();
    }

    [Theory]
    [InlineData("""{"name":"n","countryOfOrigin":"c","price":1}""", "sku")]
    [InlineData("""{"sku":"  ","name":"n","countryOfOrigin":"c","price":1}""", "sku")]
    [InlineData("""{"sku":"s","name":"","countryOfOrigin":"c","price":1}""", "name")]
    [InlineData("""{"sku":"s","name":"n","price":1}""", "countryOfOrigin")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c"}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":-0.01}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1000000}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":0.001}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":"12"}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1e999}""", "price")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"quantity":-1}""", "quantity")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"quantity":1000000001}""", "quantity")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"quantity":1.5}""", "quantity")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"quantity":99999999999999999999}""", "quantity")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"quantity":"three"}""", "quantity")]
    [InlineData("""{"sku":"s","name":"a\u0000b","countryOfOrigin":"c","price":1}""", "name")]
    [InlineData("""{"sku":"s","name":"n","countryOfOrigin":"c","price":1,"reserved":1}""", "reserved")]
    [Trait("Covers", "N-20")]
    [Trait("Covers", "N-23")]
    public async Task A_new_item_with_an_invalid_field_is_refused_with_the_field_named_and_stores_nothing(string body, string field)
    {
        var before = await RowsAsync();
        var problem = await SendAsync("POST", Items, body).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(before, await RowsAsync());
    }

    [Theory]
    [InlineData("""{"sku":" "}""", "sku")]
    [InlineData("""{"name":""}""", "name")]
    [InlineData("""{"countryOfOrigin":"\t"}""", "countryOfOrigin")]
    [InlineData("""{"price":-1}""", "price")]
    [InlineData("""{"price":"1"}""", "price")]
    [InlineData("""{"quantity":-1}""", "quantity")]
    [InlineData("""{"quantity":true}""", "quantity")]
    [InlineData("""{"id":5}""", "id")]
    [Trait("Covers", "N-23")]
    public async Task A_change_to_an_invalid_value_is_refused_with_the_field_named_and_changes_nothing(string body, string field)
    {
        var before = (await SendAsync("GET", $"{Items}/3").JsonAsync()).GetRawText();
        foreach (var method in new[] { "PUT", "PATCH" })
        {
            var problem = await SendAsync(method, $"{Items}/3", body).ProblemAsync();
            Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        }

        Assert.Equal(before, (await SendAsync("GET", $"{Items}/3").JsonAsync()).GetRawText());
    }

    [Fact]
    public async Task Texts_may_be_as_long_as_documented_and_no_longer()
    {
        foreach (var (field, length) in new[] { ("sku", 64), ("name", 200), ("countryOfOrigin", 200), ("description", 2000) })
        {
            var id = await CreateAsync(Unique());
            var longest = Unique() + new string('ä', length - Unique().Length);
            await SendAsync("PATCH", $"{Items}/{id}", new Dictionary<string, string>(StringComparer.Ordinal) { [field] = longest })
                .JsonAsync();
            var problem = await SendAsync(
                "PATCH", $"{Items}/{id}",
                new Dictionary<string, string>(StringComparer.Ordinal) { [field] = longest + "x" }).ProblemAsync();
            Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        }
    }

    [Fact]
    public async Task One_of_several_concurrent_changes_to_the_same_version_succeeds()
    {
        var id = await CreateAsync(Unique(), quantity: 10);
        var tag = await TagAsync(id);

        // Eight updates at once, all with the same version.
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            http.SendAsync("PATCH", $"{Items}/{id}", new { quantity = 100 + i }, Clerk, ("If-Match", tag)).StatusAsync()));
        Assert.Single(outcomes, HttpStatusCode.OK);
        Assert.Equal(7, outcomes.Count(status => status == HttpStatusCode.PreconditionFailed));

        var now = await TagAsync(id);
        Assert.NotEqual(tag, now, StringComparer.Ordinal);
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("DELETE", $"{Items}/{id}", token: Clerk, headers: ("If-Match", tag)).StatusAsync());
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", $"{Items}/{id}", token: Clerk, headers: ("If-Match", now)).StatusAsync());
    }

    private string Clerk => platform.UserTokenAsync("clerk").GetAwaiter().GetResult();

    private static string Unique() => $"n{Guid.NewGuid():N}";

    private static string Body(string name, string? sku = null, string country = "Peru", string price = "1.00", long quantity = 1) =>
        $$"""
        {"sku":{{JsonSerializer.Serialize(sku ?? $"sku-{name}-{country}")}},"name":{{JsonSerializer.Serialize(name)}},
        "countryOfOrigin":"{{country}}","price":{{price}},"quantity":{{quantity}}}
        """;

    private Task<HttpResponseMessage> SendAsync(string method, string path, object? body = null) =>
        http.SendAsync(method, path, body, Clerk);

    private async Task<long> CreateAsync(string name, string country = "Peru", string price = "1.00", long quantity = 1) =>
        (await SendAsync("POST", Items, Body(name, country: country, price: price, quantity: quantity)).JsonAsync(HttpStatusCode.Created))
            .GetProperty("id").GetInt64();

    private async Task<string> TagAsync(long id)
    {
        using var response = await SendAsync("GET", $"{Items}/{id}");
        return response.Headers.ETag!.ToString();
    }

    private async Task<string?> StockAsync(long id) =>
        await platform.QueryAsync<string>(
            "warehousedb", "SELECT received || '/' || free || '/' || reserved || '/' || shipped FROM items WHERE id = $1", id);

    private async Task<string?> RowsAsync() =>
        await platform.QueryAsync<string>(
            "warehousedb", "SELECT (SELECT count(*) FROM items) || '/' || (SELECT count(*) FROM stock_adjustments)");
}
