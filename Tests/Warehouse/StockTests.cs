using System.Net;
using System.Text.Json;
using CsCheck;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Warehouse;
using Npgsql;

namespace MicroPlatform.Tests.Warehouse;

public sealed class StockTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Items = "/api/v1/warehouse/items";
    private readonly HttpClient http = platform.Http("warehouse");

    [Fact]
    public async Task An_adjustment_changes_the_stock_and_is_stored_with_its_author_time_and_reason()
    {
        var id = await CreateAsync(10);
        using var response = await http.SendAsync(
            "POST", $"{Items}/{id}/stock-adjustments", new { delta = -4, reason = "Broken in transit" }, await ClerkAsync());
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var made = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal(
            (-4, 6, "Broken in transit"),
            (made.GetProperty("delta").GetInt32(), made.GetProperty("quantity").GetInt32(), made.GetProperty("reason").GetString()));
        Assert.Equal("01900000-0000-7000-8000-000000000002", made.GetProperty("by").GetString());
        Assert.Equal(platform.Clock.GetUtcNow(), made.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));

        Assert.Equal(made.GetRawText(), (await GetAsync(response.Headers.Location!.OriginalString)).GetRawText());
        var history = (await GetAsync($"{Items}/{id}/stock-adjustments")).GetProperty("items");
        Assert.Equal([10, -4], history.EnumerateArray().Select(a => a.GetProperty("delta").GetInt32()));
        Assert.Equal(6, (await GetAsync($"{Items}/{id}")).GetProperty("quantity").GetInt32());
    }

    [Fact]
    public async Task The_history_is_paged()
    {
        var id = await CreateAsync(1);
        for (var i = 2; i <= 5; i++)
        {
            await AdjustAsync(id, i).JsonAsync(HttpStatusCode.Created);
        }

        var first = await GetAsync($"{Items}/{id}/stock-adjustments?limit=3");
        var second = await GetAsync($"{Items}/{id}/stock-adjustments?limit=3&cursor={first.GetProperty("nextCursor").GetString()}");
        Assert.Equal([1, 2, 3], first.GetProperty("items").EnumerateArray().Select(a => a.GetProperty("delta").GetInt32()));
        Assert.Equal([4, 5], second.GetProperty("items").EnumerateArray().Select(a => a.GetProperty("delta").GetInt32()));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);
    }

    [Theory]
    [InlineData("""{"delta":0,"reason":"r"}""", "delta")]
    [InlineData("""{"reason":"r"}""", "delta")]
    [InlineData("""{"delta":1000000001,"reason":"r"}""", "delta")]
    [InlineData("""{"delta":-1000000001,"reason":"r"}""", "delta")]
    [InlineData("""{"delta":0.5,"reason":"r"}""", "delta")]
    [InlineData("""{"delta":"1","reason":"r"}""", "delta")]
    [InlineData("""{"delta":9223372036854775808,"reason":"r"}""", "delta")]
    [InlineData("""{"delta":1}""", "reason")]
    [InlineData("""{"delta":1,"reason":" "}""", "reason")]
    [Trait("Covers", "N-23")]
    public async Task An_invalid_adjustment_is_refused_with_the_field_named_and_stores_nothing(string body, string field)
    {
        var id = await CreateAsync(5);
        var problem = await http.SendAsync("POST", $"{Items}/{id}/stock-adjustments", body, await ClerkAsync()).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal("5/5/0/0 5", await StockAsync(id));
    }

    [Theory]
    [InlineData(-6)]
    [InlineData(-1_000_000_000)]
    [InlineData(999_999_996)]
    [Trait("Covers", "N-20")]
    public async Task The_stock_stays_between_zero_and_a_billion(long delta)
    {
        var id = await CreateAsync(5);
        var problem = await AdjustAsync(id, delta).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "delta"), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal("5/5/0/0 5", await StockAsync(id));
    }

    [Fact]
    public async Task An_adjustment_of_another_item_is_not_found() => Assert.Equal(
        HttpStatusCode.NotFound,
        (await http.SendAsync("GET", $"{Items}/1/stock-adjustments/2", token: await ClerkAsync()).ProblemAsync()).Status);

    [Fact]
    [Trait("Covers", "N-26")]
    public async Task Ten_of_thirty_concurrent_withdrawals_from_a_stock_of_ten_succeed()
    {
        var id = await CreateAsync(10);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => AdjustAsync(id, -1).StatusAsync()));
        Assert.Equal(10, outcomes.Count(status => status == HttpStatusCode.Created));
        Assert.Equal(20, outcomes.Count(status => status == HttpStatusCode.Conflict));
        Assert.Equal("0/0/0/0 0", await StockAsync(id));
    }

    [Fact]
    [Trait("Covers", "N-26")]
    public async Task The_stock_equals_the_sum_of_its_history_after_concurrent_changes()
    {
        var id = await CreateAsync(50);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 24).Select(async i => (i % 3) switch
        {
            0 => await AdjustAsync(id, -7).StatusAsync(),
            1 => await AdjustAsync(id, +5).StatusAsync(),
            _ => await http.SendAsync("PUT", $"{Items}/{id}", new { quantity = 20 + i }, await ClerkAsync()).StatusAsync(),
        }));
        Assert.DoesNotContain(outcomes, status => status is not (HttpStatusCode.Created or HttpStatusCode.OK or HttpStatusCode.Conflict));

        var stock = await StockAsync(id);
        var free = (await GetAsync($"{Items}/{id}")).GetProperty("quantity").GetInt64();
        Assert.Equal($"{free}/{free}/0/0 {free}", stock);

        // Each entry has the quantity after it, so the sum of the changes must equal it.
        var sum = 0L;
        foreach (var entry in (await GetAsync($"{Items}/{id}/stock-adjustments?limit=200")).GetProperty("items").EnumerateArray())
        {
            sum += entry.GetProperty("delta").GetInt64();
            Assert.Equal(sum, entry.GetProperty("quantity").GetInt64());
        }
    }

    [Fact]
    public async Task An_adjustment_made_from_an_old_version_is_refused()
    {
        var id = await CreateAsync(5);
        using var read = await http.SendAsync("GET", $"{Items}/{id}", token: await ClerkAsync());
        await AdjustAsync(id, 1).JsonAsync(HttpStatusCode.Created);
        var late = http.SendAsync(
            "POST", $"{Items}/{id}/stock-adjustments", new { delta = 1, reason = "r" }, await ClerkAsync(),
            ("If-Match", read.Headers.ETag!.ToString()));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await late.StatusAsync());
        Assert.Equal("6/6/0/0 6", await StockAsync(id));
    }

    [Theory]
    [InlineData("UPDATE items SET free = free - 1 WHERE id = 1", "ck_items_stock")]
    [InlineData("UPDATE items SET received = received + 1 WHERE id = 1", "ck_items_stock")]
    [InlineData("UPDATE items SET free = -1, received = received - free - 1 WHERE id = 1", "ck_items_free")]
    [InlineData("UPDATE items SET reserved = -1, received = received - 1 WHERE id = 1", "ck_items_reserved")]
    [InlineData("UPDATE items SET shipped = -1, received = free - 1 WHERE id = 1", "ck_items_shipped")]
    [InlineData("UPDATE items SET price = -0.01 WHERE id = 1", "ck_items_price")]
    [InlineData(
        "INSERT INTO stock_adjustments (item_id, delta, quantity, reason, at) VALUES (1, 0, 0, '', now())", "ck_stock_adjustments_delta")]
    [InlineData(
        "INSERT INTO stock_adjustments (item_id, delta, quantity, reason, at) VALUES (999, 1, 0, '', now())",
        "fk_stock_adjustments_items_item_id")]
    public async Task A_database_constraint_refuses_invalid_data(string sql, string constraint)
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(() => platform.QueryAsync<object>("warehousedb", sql));
        Assert.Equal(constraint, failure.ConstraintName);
    }

    [Fact]
    [Trait("Covers", "N-25")]
    public async Task The_demo_stock_agrees_with_the_demo_orders() =>
        Assert.Equal("11/10/0/1 11,7/5/0/2 7,8/7/0/1 8", string.Join(',', await StockAsync(1), await StockAsync(2), await StockAsync(3)));

    [Fact]
    public void The_rules_of_the_stock_hold_for_any_adjustments() =>
        Gen.Long[-2 * Item.MaxStock, 2 * Item.MaxStock].Where(delta => delta != 0).Array[0, 20].Sample(deltas =>
        {
            var item = new Item { Sku = "s", Name = "n", Description = "", CountryOfOrigin = "c" };
            var expected = 0L;
            foreach (var delta in deltas)
            {
                if (expected + delta is >= 0 and <= Item.MaxStock)
                {
                    expected += delta;
                    Assert.Equal(expected, item.Adjust(delta, "r", by: null, default).Quantity);
                }
                else
                {
                    Assert.Equal(
                        (int)HttpStatusCode.Conflict,
                        Assert.Throws<ProblemException>(() => item.Adjust(delta, "r", by: null, default)).Status);
                }
            }

            Assert.Equal((expected, expected), (item.Free, item.Received));
            Assert.Equal(expected, item.Adjustments.Sum(adjustment => adjustment.Delta));
        });

    private Task<string> ClerkAsync() => platform.UserTokenAsync("clerk");

    private async Task<JsonElement> GetAsync(string path) => await http.SendAsync("GET", path, token: await ClerkAsync()).JsonAsync();

    private async Task<HttpResponseMessage> AdjustAsync(long id, long delta) =>
        await http.SendAsync("POST", $"{Items}/{id}/stock-adjustments", new { delta, reason = "r" }, await ClerkAsync());

    private async Task<long> CreateAsync(long quantity)
    {
        var name = Guid.NewGuid().ToString("N");
        var created = await http.SendAsync(
            "POST", Items, new { sku = name, name, countryOfOrigin = "Peru", price = 1, quantity },
            await ClerkAsync()).JsonAsync(HttpStatusCode.Created);
        return created.GetProperty("id").GetInt64();
    }

    /// <summary>received/free/reserved/shipped, and the sum of the history.</summary>
    private async Task<string?> StockAsync(long id) => await platform.QueryAsync<string>("warehousedb", """
        SELECT received || '/' || free || '/' || reserved || '/' || shipped || ' '
            || (SELECT COALESCE(sum(delta), 0) FROM stock_adjustments WHERE item_id = items.id)
        FROM items WHERE id = $1
        """, id);
}
