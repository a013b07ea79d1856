using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Sales;

/// <summary>The list on a large table: 100,000 orders with two lines each, of a thousand customers.</summary>
[Trait("Speed", "slow")]
public sealed class OrderListTests(TestPlatform platform) : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private const string Orders = "/api/v1/sales/orders";
    private const int Count = 100_000;
    private readonly HttpClient http = platform.Http("sales");

    public async ValueTask InitializeAsync()
    {
        if (await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders") < Count)
        {
            await platform.QueryAsync<object>("salesdb", $"""
                WITH placed AS (
                    INSERT INTO orders (customer_id, date, status, cancelled_at)
                    SELECT 1000 + n % 1000, now(), CASE WHEN n % 10 = 0 THEN 'Cancelled' ELSE 'Pending' END,
                        CASE WHEN n % 10 = 0 THEN now() END
                    FROM generate_series(1, {Count}) AS n RETURNING id)
                INSERT INTO order_lines (order_id, line, sku, item_id, quantity, unit_price)
                SELECT id, line, 'SKU-' || (1 + line), 1 + line, 1 + id % 5, 1 + id % 100 FROM placed, generate_series(0, 1) AS line
                """);
            await platform.QueryAsync<object>("salesdb", "VACUUM ANALYZE orders, order_lines");
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("limit=1")]
    [InlineData("limit=200")]
    [InlineData("limit=200&customerId=1007")]
    [InlineData("limit=200&status=Pending")]
    [Trait("Covers", "N-19")]
    public async Task A_page_of_orders_with_their_lines_takes_at_most_two_statements_whatever_its_size(string query)
    {
        var clerk = await platform.UserTokenAsync("clerk");
        var work = await Work.OfAsync(trace => http.SendAsync("GET", $"{Orders}?{query}", token: clerk, headers: trace));
        Assert.InRange(work.Statements.Count, 1, 2);
    }

    [Fact]
    public async Task One_order_with_its_lines_takes_one_statement()
    {
        var clerk = await platform.UserTokenAsync("clerk");
        Assert.Single((await Work.OfAsync(trace => http.SendAsync("GET", $"{Orders}/1", token: clerk, headers: trace))).Statements);
    }

    [Theory]
    [InlineData("")]
    [InlineData("customerId=1007&")]
    [InlineData("status=Cancelled&")]
    public async Task A_page_deep_in_a_hundred_thousand_orders_costs_as_much_as_an_early_page(string filter)
    {
        var clerk = await platform.UserTokenAsync("clerk");
        var near = await PlanAsync(after: 1);
        var far = await PlanAsync(after: Count - 20_000);
        foreach (var plan in new[] { near, far })
        {
            Assert.DoesNotContain("Seq Scan", plan.Nodes.Select(node => node.Type), StringComparer.Ordinal);
            Assert.Contains("orders", plan.Nodes.Select(node => node.Table), StringComparer.Ordinal);
            Assert.Contains("order_lines", plan.Nodes.Select(node => node.Table), StringComparer.Ordinal);
            Assert.All(plan.Nodes.Where(node => node.Table is "orders"), node => Assert.InRange(node.Rows, 1, 11));
            Assert.All(plan.Nodes.Where(node => node.Table is "order_lines"), node => Assert.InRange(node.Rows, 1, 22));
        }

        // An index may be one level deeper for the far page than for the near one; nothing else may differ.
        Assert.InRange(far.Blocks, 1, near.Blocks + 15);

        async Task<Plan> PlanAsync(long after)
        {
            var cursor = Microsoft.AspNetCore.WebUtilities.WebEncoders.Base64UrlEncode(System.Text.Encoding.ASCII.GetBytes($"{after}"));
            var work = await Work.OfAsync(trace =>
                http.SendAsync("GET", $"{Orders}?{filter}limit=10&cursor={cursor}", token: clerk, headers: trace));
            object[] values = filter switch
            {
                "" => [after, 11],
                "customerId=1007&" => [1007L, after, 11],
                _ => ["Cancelled", after, 11],
            };
            return await Plan.OfAsync(platform, "salesdb", Assert.Single(work.Statements), values);
        }
    }

    [Fact]
    [Trait("Covers", "N-19")]
    public async Task Paging_returns_every_order_once_with_its_own_lines()
    {
        var seen = new List<long>();
        var cursor = "";
        do
        {
            var page = await http.SendAsync(
                "GET", $"{Orders}?customerId=1013&limit=7&cursor={cursor}", token: await platform.UserTokenAsync("clerk")).JsonAsync();
            foreach (var order in page.GetProperty("items").EnumerateArray())
            {
                var id = order.GetProperty("id").GetInt64();
                seen.Add(id);
                Assert.Equal(
                    [("SKU-1", 1 + (id % 5), 1 + (id % 100)), ("SKU-2", 1 + (id % 5), 1 + (id % 100))],
                    order.GetProperty("items")
                        .EnumerateArray().Select(i =>
                            (
                                i.GetProperty("sku").GetString()!, i.GetProperty("quantity").GetInt64(),
                                (long)i.GetProperty("unitPrice").GetDecimal())));
            }

            cursor = page.GetProperty("nextCursor").GetString();
        }
        while (cursor is not null);

        Assert.Equal(Count / 1000, seen.Count);
        Assert.Equal(seen.Distinct().Order(), seen);
    }

    [Theory]
    [InlineData("status=Shipped", "status")]
    [InlineData("status=7", "status")]
    [InlineData("status=1", "status")]
    [InlineData("status=Pending,Confirmed", "status")]
    [InlineData("status=Pending&status=Confirmed", "status")]
    [InlineData("customerId=me", "customerId")]
    public async Task An_invalid_filter_is_refused_with_the_field_named(string query, string field)
    {
        var problem = await http.SendAsync("GET", $"{Orders}?{query}", token: await platform.UserTokenAsync("clerk")).ProblemAsync();
        Assert.Equal((System.Net.HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
    }
}
