using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Sales;

public sealed class OrderTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Orders = "/api/v1/sales/orders";
    private readonly HttpClient http = SalesData.Start(platform);

    private const string DemoOrder1 =
        """
        {"id":1,"customerId":1,"date":"2026-01-05T10:00:00.000000Z","status":"Confirmed","reason":null,
        "items":[{"itemId":1,"sku":"SKU-1","quantity":1,"unitPrice":100.00,"lineTotal":100.00},
        {"itemId":2,"sku":"SKU-2","quantity":1,"unitPrice":50.00,"lineTotal":50.00}],
        "steps":[{"status":"Pending","at":"2026-01-05T10:00:00.000000Z","reason":null},
        {"status":"Confirmed","at":"2026-01-05T10:00:01.000000Z","reason":null}],"total":150.00}
        """;

    [Fact]
    [Trait("Covers", "C-SL-01")]
    [Trait("Covers", "C-SL-07")]
    [Trait("Covers", "N-19")]
    public async Task The_list_begins_with_the_demo_orders_each_with_its_own_items()
    {
        var items = (await SendAsync("GET", Orders + "?limit=2").JsonAsync()).GetProperty("items");
        Assert.Equal(DemoOrder1.ReplaceLineEndings(""), items[0].GetRawText());
        Assert.Equal(
            (2, 2, "120.00"),
            (
                items[1].GetProperty("id").GetInt32(), items[1].GetProperty("customerId").GetInt32(),
                items[1].GetProperty("total").GetRawText()));
        Assert.Equal(
            [(2, "50.00"), (3, "70.00")],
            items[1].GetProperty("items").EnumerateArray()
                .Select(i => (i.GetProperty("itemId").GetInt32(), i.GetProperty("unitPrice").GetRawText())));
    }

    [Fact]
    [Trait("Covers", "C-SL-02")]
    [Trait("Covers", "C-SL-09")]
    public async Task An_order_is_shown_with_its_items_its_steps_and_its_version()
    {
        using var response = await SendAsync("GET", Orders + "/1");
        Assert.NotNull(response.Headers.ETag);
        Assert.Equal(DemoOrder1.ReplaceLineEndings(""), await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    [Trait("Covers", "C-SL-04")]
    [Trait("Covers", "C-SL-08")]
    [Trait("Covers", "N-25")]
    public async Task A_new_order_is_stored_with_its_items_at_the_given_price_or_the_warehouse_price()
    {
        using var response = await SendAsync(
            "POST", Orders, """{"customerId":3,"items":[{"itemId":3,"quantity":3,"unitPrice":30.0},{"itemId":1,"quantity":4}]}""");
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var made = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        var id = made.GetProperty("id").GetInt64();
        Assert.Equal($"{Orders}/{id}", response.Headers.Location?.OriginalString);
        Assert.Equal(
            (3, "Pending", "490.00"),
            (made.GetProperty("customerId").GetInt32(), made.GetProperty("status").GetString(), made.GetProperty("total").GetRawText()));
        Assert.Equal(
            """
            [{"itemId":3,"sku":"SKU-3","quantity":3,"unitPrice":30.00,"lineTotal":90.00},
            {"itemId":1,"sku":"SKU-1","quantity":4,"unitPrice":100.00,"lineTotal":400.00}]
            """.ReplaceLineEndings(""),
            made.GetProperty("items").GetRawText());
        var step = Assert.Single(made.GetProperty("steps").EnumerateArray());
        Assert.Equal(
            ("Pending", made.GetProperty("date").GetString()),
            (step.GetProperty("status").GetString(), step.GetProperty("at").GetString()));

        var read = await SendAsync("GET", $"{Orders}/{id}").JsonAsync();
        Assert.Equal(made.GetProperty("items").GetRawText(), read.GetProperty("items").GetRawText());
        Assert.Equal(2, await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM order_lines WHERE order_id = $1", id));
    }

    [Fact]
    public async Task An_order_of_many_items_asks_the_warehouse_once()
    {
        var clerk = await platform.UserTokenAsync("clerk");
        var body = new
        {
            customerId = 3,
            items = new[] { new { itemId = 1, quantity = 1 }, new { itemId = 2, quantity = 1 }, new { itemId = 3, quantity = 1 } },
        };
        var work = await Work.OfAsync(trace => http.SendAsync("POST", Orders, body, clerk, trace));
        Assert.Equal(
            ["/customers.v1.TokenValidation/GetCustomer", "/warehouse.v1.Inventory/BatchGetItems"],
            work.Calls.Order(StringComparer.Ordinal), StringComparer.Ordinal);
    }

    [Fact]
    [Trait("Covers", "N-22")]
    public async Task The_date_of_an_order_is_the_moment_it_was_placed()
    {
        var first = await CreateAsync(3);
        Assert.Equal(platform.Clock.GetUtcNow(), first.GetProperty("date").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        platform.Clock.Advance(TimeSpan.FromSeconds(1));
        var second = await CreateAsync(3);
        Assert.Equal(
            TimeSpan.FromSeconds(1), second.GetProperty("date").GetDateTimeOffset() - first.GetProperty("date").GetDateTimeOffset());
    }

    [Fact]
    [Trait("Covers", "C-SL-05")]
    [Trait("Covers", "C-SL-11")]
    public async Task Giving_an_order_to_another_customer_changes_nothing_else()
    {
        var made = await CreateAsync(3);
        var changed = await SendAsync("PUT", $"{Orders}/{made.GetProperty("id")}", """{"customerId":4}""").JsonAsync();
        Assert.Equal(4, changed.GetProperty("customerId").GetInt32());
        foreach (var field in new[] { "id", "date", "items", "total" })
        {
            Assert.Equal(made.GetProperty(field).GetRawText(), changed.GetProperty(field).GetRawText());
        }

        Assert.Equal(4, (await SendAsync("GET", $"{Orders}/{made.GetProperty("id")}").JsonAsync()).GetProperty("customerId").GetInt32());
    }

    [Fact]
    [Trait("Covers", "C-SL-06")]
    [Trait("Covers", "C-SL-12")]
    public async Task A_cancelled_order_stays_readable_and_shows_its_cancellation_time()
    {
        var id = (await CreateAsync(3)).GetProperty("id").GetInt64();
        platform.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync("DELETE", $"{Orders}/{id}").StatusAsync());
        var cancelled = await SendAsync("GET", $"{Orders}/{id}").JsonAsync();
        Assert.Equal("Cancelled", cancelled.GetProperty("status").GetString());
        var last = cancelled.GetProperty("steps").EnumerateArray().Last();
        Assert.Equal("Cancelled", last.GetProperty("status").GetString());
        Assert.Equal(platform.Clock.GetUtcNow(), last.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));

        // A second deletion changes nothing.
        platform.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync("DELETE", $"{Orders}/{id}").StatusAsync());
        Assert.Equal(cancelled.GetRawText(), (await SendAsync("GET", $"{Orders}/{id}").JsonAsync()).GetRawText());
    }

    [Fact]
    public async Task A_rejected_order_shows_its_reason_and_cannot_be_cancelled()
    {
        var id = await SalesData.AddAsync(
            platform, customerId: 3, order => order.Reject("There is not enough of SKU-1.", platform.Clock.GetUtcNow()), (1, 1, 1m));
        var rejected = await SendAsync("GET", $"{Orders}/{id}").JsonAsync();
        Assert.Equal(
            ("Rejected", "There is not enough of SKU-1."),
            (rejected.GetProperty("status").GetString(), rejected.GetProperty("reason").GetString()));
        Assert.Equal(
            "There is not enough of SKU-1.", rejected.GetProperty("steps").EnumerateArray().Last().GetProperty("reason").GetString());
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync("DELETE", $"{Orders}/{id}").ProblemAsync()).Status);
        Assert.Equal(rejected.GetRawText(), (await SendAsync("GET", $"{Orders}/{id}").JsonAsync()).GetRawText());
    }

    [Theory]
    [InlineData("""{"items":[{"itemId":1,"quantity":1}]}""", "customerId")]
    [InlineData("""{"customerId":0,"items":[{"itemId":1,"quantity":1}]}""", "customerId")]
    [InlineData("""{"customerId":"3","items":[{"itemId":1,"quantity":1}]}""", "customerId")]
    [InlineData("""{"customerId":999999,"items":[{"itemId":1,"quantity":1}]}""", "customerId")]
    [InlineData("""{"customerId":9223372036854775808,"items":[{"itemId":1,"quantity":1}]}""", "customerId")]
    [InlineData("""{"customerId":3}""", "items")]
    [InlineData("""{"customerId":3,"items":null}""", "items")]
    [InlineData("""{"customerId":3,"items":[]}""", "items")]
    [InlineData("""{"customerId":3,"items":{}}""", "items")]
    [InlineData("""{"customerId":3,"items":[null]}""", "items[0]")]
    [InlineData("""{"customerId":3,"items":[{"quantity":1}]}""", "items[0].itemId")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1},{"itemId":0,"quantity":1}]}""", "items[1].itemId")]
    [InlineData("""{"customerId":3,"items":[{"itemId":"1","quantity":1}]}""", "items[0].itemId")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1},{"itemId":999999,"quantity":1}]}""", "items[1].itemId")]
    [InlineData(
        """{"customerId":3,"items":[{"itemId":1,"quantity":1},{"itemId":2,"quantity":1},{"itemId":1,"quantity":2}]}""", "items[2].itemId")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":0}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":-1}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":100001}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":2147483648}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1.5}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":"one"}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1,"unitPrice":-0.01}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1,"unitPrice":0.001}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1,"unitPrice":1000000}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1,"unitPrice":"12"}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1,"unitPrice":0}]}""", "items")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":100000,"unitPrice":100000}]}""", "items")]
    [InlineData("""{"customerId":3,"items":[{"itemId":1,"quantity":1}],"status":"Confirmed"}""", "status")]
    [Trait("Covers", "N-20")]
    [Trait("Covers", "N-23")]
    public async Task An_invalid_order_is_refused_with_the_field_named_and_stores_nothing(string body, string field)
    {
        var before = await RowsAsync();
        var problem = await SendAsync("POST", Orders, body).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(before, await RowsAsync());
    }

    [Fact]
    public async Task Every_unknown_item_is_named_and_more_than_a_hundred_lines_are_refused()
    {
        var unknown = await SendAsync(
            "POST", Orders,
            """{"customerId":3,"items":[{"itemId":901,"quantity":1},{"itemId":1,"quantity":1},{"itemId":902,"quantity":1}]}""")
            .ProblemAsync();
        Assert.Equal(["items[0].itemId", "items[2].itemId"], unknown.Fields);

        var long101 = await SendAsync(
            "POST", Orders,
            new { customerId = 3, items = Enumerable.Range(1, 101).Select(i => new { itemId = i, quantity = 1 }) }).ProblemAsync();
        Assert.Equal(["items"], long101.Fields);
    }

    [Theory]
    [InlineData("{}", "customerId")]
    [InlineData("""{"customerId":"4"}""", "customerId")]
    [InlineData("""{"customerId":-1}""", "customerId")]
    [InlineData("""{"customerId":999999}""", "customerId")]
    [InlineData("""{"customerId":4,"items":[]}""", "items")]
    [Trait("Covers", "N-23")]
    public async Task An_invalid_change_is_refused_with_the_field_named_and_changes_nothing(string body, string field)
    {
        var problem = await SendAsync("PUT", Orders + "/1", body).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(1, (await SendAsync("GET", Orders + "/1").JsonAsync()).GetProperty("customerId").GetInt32());
    }

    [Fact]
    public async Task One_of_several_concurrent_changes_to_the_same_version_succeeds()
    {
        var id = (await CreateAsync(3)).GetProperty("id").GetInt64();
        await SettledAsync(id);
        using var read = await SendAsync("GET", $"{Orders}/{id}");
        var (tag, clerk) = (read.Headers.ETag!.ToString(), await platform.UserTokenAsync("clerk"));
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            http.SendAsync("PUT", $"{Orders}/{id}", new { customerId = 1 + (i % 2) }, clerk, ("If-Match", tag)).StatusAsync()));
        Assert.Single(outcomes, HttpStatusCode.OK);
        Assert.Equal(7, outcomes.Count(status => status == HttpStatusCode.PreconditionFailed));
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("DELETE", $"{Orders}/{id}", token: clerk, headers: ("If-Match", tag)).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-27")]
    public async Task Three_times_ten_cents_are_thirty_cents()
    {
        var made = await SendAsync("POST", Orders, """{"customerId":3,"items":[{"itemId":1,"quantity":3,"unitPrice":0.10}]}""")
            .JsonAsync(HttpStatusCode.Created);
        Assert.Equal(
            ("0.30", "0.30"), (made.GetProperty("total").GetRawText(), made.GetProperty("items")[0].GetProperty("lineTotal").GetRawText()));
    }

    [Fact]
    public async Task A_customer_sees_only_their_own_orders()
    {
        var mine = (await CreateAsync(4)).GetProperty("id").GetInt64();
        var token = await platform.CustomerTokenAsync("nonadmin4@email.com");
        var seen = (await http.SendAsync("GET", Orders, token: token).JsonAsync()).GetProperty("items").EnumerateArray().ToList();
        Assert.Contains(mine, seen.Select(o => o.GetProperty("id").GetInt64()));
        Assert.All(seen, o => Assert.Equal(4, o.GetProperty("customerId").GetInt32()));
        Assert.Empty((await http.SendAsync(
            "GET", Orders + "?customerId=1", token: token).JsonAsync()).GetProperty("items").EnumerateArray());

        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", $"{Orders}/{mine}", token: token).StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, await http.SendAsync("GET", $"{Orders}/1", token: token).StatusAsync());

        // For Sales an admin of the shop is a customer like others.
        Assert.Equal(
            HttpStatusCode.NotFound,
            await http.SendAsync("GET", $"{Orders}/{mine}", token: await platform.CustomerTokenAsync("admin1@email.com")).StatusAsync());
    }

    private async Task<HttpResponseMessage> SendAsync(string method, string path, object? body = null) =>
        await http.SendAsync(method, path, body, await platform.UserTokenAsync("clerk"));

    private async Task<JsonElement> CreateAsync(long customerId) =>
        await SendAsync("POST", Orders, new { customerId, items = new[] { new { itemId = await WellStockedItemAsync(), quantity = 1 } } })
            .JsonAsync(HttpStatusCode.Created);

    /// <summary>An item that does not run out, so that no order for it is rejected.</summary>
    private async Task<long> WellStockedItemAsync()
    {
        var body = new { sku = "PLENTY", name = "Plenty", countryOfOrigin = "Peru", price = 1, quantity = 1_000_000 };
        var item = await platform.Http("warehouse")
            .SendAsync("POST", "/api/v1/warehouse/items", body, await platform.UserTokenAsync("clerk"), ("Idempotency-Key", "plenty"))
            .JsonAsync(HttpStatusCode.Created);
        return item.GetProperty("id").GetInt64();
    }

    /// <summary>Cancels the order if it is pending, so that no event can change its version later.</summary>
    private async Task SettledAsync(long id) =>
        await platform.QueryAsync<object>(
            "salesdb", "UPDATE orders SET status = 'Cancelled', cancelled_at = now() WHERE id = $1 AND status = 'Pending'", id);

    private async Task<string?> RowsAsync() =>
        await platform.QueryAsync<string>("salesdb", "SELECT (SELECT count(*) FROM orders) || '/' || (SELECT count(*) FROM order_lines)");
}
