using System.Diagnostics;
using System.Net;
using System.Text.Json;
using CsCheck;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Sales;

[Trait("Speed", "slow")]
public sealed class SoldItemsTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string SoldItems = "/api/v1/sales/sold-items";

    // Compares the table with the aggregation of the confirmed orders, which it must equal at any moment.
    private const string Difference = """
        SELECT count(*) FROM (
            SELECT item_id, sum(quantity) AS quantity, sum(quantity * unit_price) AS revenue
            FROM order_lines JOIN orders ON orders.id = order_id WHERE status = 'Confirmed' GROUP BY item_id) AS expected
        FULL JOIN (SELECT * FROM sold_items WHERE quantity > 0 OR revenue > 0) AS kept USING (item_id)
        WHERE (expected.quantity, expected.revenue) IS DISTINCT FROM (kept.quantity, kept.revenue)
        """;

    private readonly HttpClient http = SalesData.Start(platform);

    [Fact]
    [Trait("Covers", "N-24")]
    public async Task Items_of_confirmed_orders_are_listed_with_their_names_in_the_warehouse()
    {
        var before = await ShowAsync();
        Assert.Contains("1 item_1 ", before, StringComparison.Ordinal);
        var confirmed = await SalesData.AddAsync(
            platform, 3, order => order.Confirm([3, 900], platform.Clock.GetUtcNow()), (3, 2, 0.10m), (900, 5, 3m));
        await SalesData.AddAsync(platform, 3, _ => { }, (901, 7, 1m));
        await SalesData.AddAsync(platform, 3, order => order.Reject("why", platform.Clock.GetUtcNow()), (901, 7, 1m));

        // The warehouse no longer has item 900, and nothing of item 901 was sold.
        var sold = await ShowAsync();
        Assert.Contains("900 - 5 15.00", sold, StringComparison.Ordinal);
        Assert.DoesNotContain("901 ", sold, StringComparison.Ordinal);
        Assert.Equal(0, await platform.QueryAsync<long>("salesdb", Difference));

        // A cancelled order does not count as sold.
        await http.SendAsync("DELETE", $"/api/v1/sales/orders/{confirmed}", token: await platform.UserTokenAsync("clerk")).StatusAsync();
        Assert.Equal(before, await ShowAsync());
        Assert.Equal(0, await platform.QueryAsync<long>("salesdb", Difference));
    }

    [Fact]
    [Trait("Covers", "N-24")]
    public async Task The_sums_equal_those_of_the_confirmed_orders_after_concurrent_changes()
    {
        var lines = Gen.Select(Gen.Long[1, 6], Gen.Int[1, 9], Gen.Long[0, 999].Select(cents => cents / 100m)).Array[1, 5];
        var fates = Gen.Int[0, 3];
        await Gen.Select(lines, fates).Array[4, 12].SampleAsync(orders => Task.WhenAll(orders.Select(order => SalesData.AddAsync(
            platform,
            3,
            placed =>
            {
                var (now, items) = (platform.Clock.GetUtcNow(), order.Item1.Select(line => line.Item1).ToList());
                _ = order.Item2 switch
                {
                    0 => placed.Confirm(items, now),
                    1 => placed.Reject("why", now),
                    2 => placed.Cancel(now),
                    _ => placed.Confirm(items, now) && placed.Cancel(now),
                };
            },
            order.Item1))), iter: 8, threads: 1);

        // Cancels half of the confirmed orders, all at once.
        var clerk = await platform.UserTokenAsync("clerk");
        var confirmed = (await http.SendAsync(
            "GET", "/api/v1/sales/orders?status=Confirmed&customerId=3&limit=200",
            token: clerk).JsonAsync()).GetProperty("items").EnumerateArray();
        var outcomes = await Task.WhenAll(confirmed.Where((_, i) => i % 2 == 0).Select(order =>
            http.SendAsync("DELETE", $"/api/v1/sales/orders/{order.GetProperty("id")}", token: clerk).StatusAsync()));
        Assert.All(outcomes, status => Assert.Equal(HttpStatusCode.NoContent, status));
        Assert.NotEmpty(outcomes);
        Assert.Equal(0, await platform.QueryAsync<long>("salesdb", Difference));
    }

    [Fact]
    public async Task The_list_reads_the_stored_sums_without_the_order_lines_and_is_paged()
    {
        var clerk = await platform.UserTokenAsync("clerk");
        var work = await Work.OfAsync(trace => http.SendAsync("GET", SoldItems, token: clerk, headers: trace));

        // One statement reads the sums, and one the names of all items.
        Assert.Collection(
            work.Statements,
            sums => Assert.Contains("FROM sold_items", sums, StringComparison.Ordinal),
            names => Assert.Contains("FROM items", names, StringComparison.Ordinal));
        Assert.DoesNotContain("order_lines", work.Statements[0], StringComparison.Ordinal);
        Assert.Equal("/warehouse.v1.Inventory/BatchGetItems", Assert.Single(work.Calls));

        var first = await http.SendAsync("GET", SoldItems + "?limit=1", token: clerk).JsonAsync();
        var second = await http.SendAsync("GET", $"{SoldItems}?limit=1&cursor={first.GetProperty("nextCursor").GetString()}", token: clerk)
            .JsonAsync();
        Assert.Equal((1, 2), (Only(first), Only(second)));

        static long Only(JsonElement page) => Assert.Single(page.GetProperty("items").EnumerateArray()).GetProperty("itemId").GetInt64();
    }

    [Fact]
    public async Task An_order_is_not_confirmed_while_one_of_its_items_is_unknown()
    {
        var id = await platform.QueryAsync<long>(
            "salesdb", "INSERT INTO orders (customer_id, date, status) VALUES (3, now(), 'Pending') RETURNING id");
        await platform.QueryAsync<object>(
            "salesdb", "INSERT INTO order_lines (order_id, line, sku, quantity, unit_price) VALUES ($1, 0, 'SKU-1', 1, 1)", id);
        var failure = await Assert.ThrowsAsync<PostgresException>(() =>
            platform.QueryAsync<object>("salesdb", "UPDATE orders SET status = 'Confirmed', confirmed_at = now() WHERE id = $1", id));
        Assert.Equal("ck_orders_confirmed_items", failure.ConstraintName);
        Assert.Equal("Pending", await platform.QueryAsync<string>("salesdb", "SELECT status FROM orders WHERE id = $1", id));
    }

    private async Task<string> ShowAsync()
    {
        var page = await http.SendAsync("GET", SoldItems + "?limit=200", token: await platform.UserTokenAsync("clerk")).JsonAsync();
        return string.Join('\n', page.GetProperty("items").EnumerateArray().Select(i =>
            $"{i.GetProperty("itemId")} {i.GetProperty("name").GetString() ?? "-"} {i.GetProperty("quantity")} "
                + $"{i.GetProperty("revenue").GetRawText()}"));
    }
}

/// <summary>Sales when another service is down.</summary>
[Trait("Speed", "slow")]
public sealed class DependencyTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = SalesData.Start(platform);

    [Fact]
    [Trait("Covers", "N-24")]
    [Trait("Covers", "N-20")]
    public async Task A_service_that_is_down_gives_503_within_ten_seconds_and_no_order_is_stored()
    {
        var clerk = await platform.UserTokenAsync("clerk");
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/sales/sold-items", token: clerk).StatusAsync());
        var before = await RowsAsync();

        await platform.StopAsync("warehouse");
        await RefusedAsync("GET", "sold-items");
        await RefusedAsync("POST", "orders");
        platform.Restart("warehouse");
        await platform.StopAsync("customers");
        await RefusedAsync("POST", "orders");
        await RefusedAsync("PUT", "orders/1");

        Assert.Equal(before, await RowsAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/sales/orders/1", token: clerk).StatusAsync());

        platform.Restart("customers");
        var made = await http.SendAsync("POST", "/api/v1/sales/orders", Order, clerk).StatusAsync();
        Assert.Equal(HttpStatusCode.Created, made);

        async Task RefusedAsync(string method, string path)
        {
            var start = Stopwatch.GetTimestamp();
            object? body = method switch { "POST" => Order, "PUT" => new { customerId = 2 }, _ => null };
            using var response = await http.SendAsync(method, "/api/v1/sales/" + path, body, clerk);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.NotNull(response.Headers.RetryAfter);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.DoesNotContain("refused", text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(":80", text, StringComparison.Ordinal);
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        }
    }

    private static object Order => new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } };

    private async Task<string?> RowsAsync() =>
        await platform.QueryAsync<string>("salesdb", "SELECT (SELECT count(*) FROM orders) || '/' || (SELECT count(*) FROM order_lines)");
}
