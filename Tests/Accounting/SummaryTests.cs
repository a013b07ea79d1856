using System.Globalization;
using System.Net;
using System.Text.Json;
using CsCheck;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Accounting;

public sealed class SummaryTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Summary = "/api/v1/accounting/summary";
    private readonly HttpClient http = platform.Http("accounting");
    private static long nextOrder = 1_000_000;

    [Fact]
    [Trait("Covers", "N-25")]
    public async Task The_demo_transactions_add_up_to_the_demo_orders()
    {
        Assert.Equal(
            """{"items":[{"month":"2026-01","count":1,"total":150.00}],"total":150.00}""", (await GetAsync("?orderId=1")).GetRawText());
        Assert.Equal(
            """{"items":[{"month":"2026-01","count":1,"total":120.00}],"total":120.00}""", (await GetAsync("?orderId=2")).GetRawText());
    }

    [Fact]
    public async Task Months_are_in_UTC_and_both_ends_of_the_period_are_inclusive()
    {
        var order = await AddAsync(
            ("1.00", "2030-01-31T23:59:59.999999Z"), ("2.00", "2030-02-01T00:00:00Z"), ("4.00", "2030-02-28T23:59:59.999999Z"),
            ("8.00", "2030-03-01T00:30:00+01:00"), ("16.00", "2030-03-01T00:00:00Z"));

        Assert.Equal("2030-01:1:1.00 2030-02:3:14.00 2030-03:1:16.00 = 31.00", await ShowAsync(order, ""));
        Assert.Equal("2030-02:3:14.00 = 14.00", await ShowAsync(order, "&from=2030-02-01&to=2030-02-28"));
        Assert.Equal("2030-01:1:1.00 2030-02:1:2.00 = 3.00", await ShowAsync(order, "&to=2030-02-01"));
        Assert.Equal("2030-03:1:16.00 = 16.00", await ShowAsync(order, "&from=2030-03-01&to=9999-12-31"));
        Assert.Equal(" = 0.00", await ShowAsync(order, "&from=2031-01-01"));
    }

    [Theory]
    [InlineData("?from=2026-02-02&to=2026-02-01", "from")]
    [InlineData("?from=soon", "from")]
    [InlineData("?to=2026-02-30", "to")]
    [InlineData("?from=2026-01&to=2026-01", "from")]
    [InlineData("?from=01/02/2026", "from")]
    [InlineData("?from=2026-1-5", "from")]
    [InlineData("?from=20260105", "from")]
    [InlineData("?to=2026-01-05T00:00:00Z", "to")]
    [InlineData("?to=%202026-01-05", "to")]
    [InlineData("?to=5%20Jan%202026", "to")]
    [InlineData("?to=", "to")]
    [InlineData("?from=2026-01-01&from=2026-01-02", "from")]
    [InlineData("?orderId=one", "orderId")]
    public async Task An_invalid_query_is_refused_with_the_field_named(string query, string field)
    {
        var problem = await http.SendAsync("GET", Summary + query, token: await platform.UserTokenAsync("clerk")).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
    }

    [Fact]
    [Trait("Covers", "N-27")]
    public async Task Three_times_ten_cents_are_thirty_cents()
    {
        var order = await AddAsync(("0.10", "2031-05-01T00:00:00Z"), ("0.10", "2031-05-02T00:00:00Z"), ("0.10", "2031-05-03T00:00:00Z"));
        Assert.Equal("2031-05:3:0.30 = 0.30", await ShowAsync(order, ""));
    }

    [Fact]
    [Trait("Covers", "N-27")]
    public async Task Totals_are_exact_for_any_sums()
    {
        var sums = Gen.Long[1, 999_999_999_999].Select(cents => cents / 100m);
        var months = Gen.Int[0, 30].Select(month => new DateTimeOffset(2040 + (month / 12), 1 + (month % 12), 15, 0, 0, 0, TimeSpan.Zero));
        await Gen.Select(sums, months).Array[1, 12].SampleAsync(async transactions =>
        {
            var order = await AddAsync([
                .. transactions.Select(t => (t.Item1.ToString("F2", CultureInfo.InvariantCulture), t.Item2.ToString("O")))
            ]);
            var expected = transactions.GroupBy(t => t.Item2).OrderBy(g => g.Key).Select(g =>
                string.Create(CultureInfo.InvariantCulture, $"{g.Key:yyyy-MM}:{g.Count()}:{g.Sum(t => t.Item1):F2}"));
            Assert.Equal(
                string.Create(CultureInfo.InvariantCulture, $"{string.Join(' ', expected)} = {transactions.Sum(t => t.Item1):F2}"),
                await ShowAsync(order, ""));
        }, iter: 10, threads: 1);
    }

    [Fact]
    public async Task A_summary_over_all_orders_uses_an_index_only_scan()
    {
        await platform.QueryAsync<object>("accountingdb", """
            INSERT INTO transactions (order_id, sum, date)
            SELECT 900000 + n, 1, timestamptz '1950-01-01' + n * interval '1 minute' FROM generate_series(1, 20000) AS n
            """);
        await platform.QueryAsync<object>("accountingdb", "VACUUM ANALYZE transactions");
        var clerk = await platform.UserTokenAsync("clerk");
        var work = await Work.OfAsync(trace =>
            http.SendAsync("GET", Summary + "?from=1950-01-03&to=1950-01-03", token: clerk, headers: trace));
        var plan = await Plan.OfAsync(
            platform, "accountingdb", Assert.Single(work.Statements), new DateTime(1950, 1, 3, 0, 0, 0, DateTimeKind.Utc),
            new DateTime(1950, 1, 4, 0, 0, 0, DateTimeKind.Utc));
        Assert.Contains("Index Only Scan", plan.Nodes.Select(node => node.Type), StringComparer.Ordinal);
        Assert.DoesNotContain("Seq Scan", plan.Nodes.Select(node => node.Type), StringComparer.Ordinal);
    }

    private async Task<JsonElement> GetAsync(string query) =>
        await http.SendAsync("GET", Summary + query, token: await platform.UserTokenAsync("clerk")).JsonAsync();

    private async Task<string> ShowAsync(long order, string query)
    {
        var summary = await GetAsync($"?orderId={order}{query}");
        var months = summary.GetProperty("items").EnumerateArray()
            .Select(m => $"{m.GetProperty("month").GetString()}:{m.GetProperty("count")}:{m.GetProperty("total").GetRawText()}");
        return $"{string.Join(' ', months)} = {summary.GetProperty("total").GetRawText()}";
    }

    private async Task<long> AddAsync(params (string Sum, string Date)[] transactions)
    {
        var order = Interlocked.Increment(ref nextOrder);
        foreach (var (sum, date) in transactions)
        {
            await http.SendAsync(
                "POST", "/api/v1/accounting/transactions", $$"""{"orderId":{{order}},"sum":{{sum}},"date":"{{date}}"}""",
                await platform.UserTokenAsync("clerk"))
                .JsonAsync(HttpStatusCode.Created);
        }

        return order;
    }
}
