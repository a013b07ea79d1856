using CsCheck;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Sales;

/// <summary>The figures of the board are correct whatever happens to orders, and cheap to read.</summary>
[Trait("Speed", "slow")]
public sealed class SummaryTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Summary = "/api/v1/sales/summary";

    // Compares the table with the aggregation of the orders, which it must equal at any moment.
    private const string Difference = """
        SELECT count(*) FROM (
            SELECT (coalesce(cancelled_at, rejected_at, confirmed_at) AT TIME ZONE 'UTC')::date AS day,
                count(*) FILTER (WHERE status = 'Confirmed') AS confirmed,
                count(*) FILTER (WHERE status = 'Rejected') AS rejected, count(*) FILTER (WHERE status = 'Cancelled') AS cancelled,
                coalesce(sum((SELECT sum(quantity * unit_price) FROM order_lines WHERE order_id = orders.id))
                    FILTER (WHERE status = 'Confirmed'), 0) AS revenue
            FROM orders WHERE status <> 'Pending' GROUP BY 1) AS expected
        FULL JOIN (
            SELECT day, sum(confirmed)::bigint AS confirmed, sum(rejected)::bigint AS rejected, sum(cancelled)::bigint AS cancelled,
                sum(revenue) AS revenue
            FROM daily_sales GROUP BY day HAVING sum(confirmed + rejected + cancelled) > 0) AS kept USING (day)
        WHERE (expected.confirmed, expected.rejected, expected.cancelled, expected.revenue)
            IS DISTINCT FROM (kept.confirmed, kept.rejected, kept.cancelled, kept.revenue)
        """;

    private readonly HttpClient http = SalesData.Start(platform);

    [Fact]
    public async Task The_summary_counts_orders_by_status_and_shows_each_of_the_last_14_days()
    {
        var before = await ShowAsync();
        var now = platform.Clock.GetUtcNow();
        var confirmed = await SalesData.AddAsync(platform, 3, order => order.Confirm([1], now), (1, 2, 12.50m));
        await SalesData.AddAsync(platform, 3, order => order.Confirm([1], now.AddDays(-13)), (1, 1, 7.05m));
        await SalesData.AddAsync(platform, 3, order => order.Confirm([1], now.AddDays(-14)), (1, 1, 1000m));
        await SalesData.AddAsync(platform, 3, order => order.Reject("why", now), (1, 1, 1m));
        var after = await ShowAsync();
        Assert.Equal(
            (3, 1, 0, 0),
            (
                after.Confirmed - before.Confirmed, after.Rejected - before.Rejected, after.Cancelled - before.Cancelled,
                after.Pending - before.Pending));

        Assert.Equal(
            Enumerable.Range(-13, 14)
                .Select(i => now.UtcDateTime.AddDays(i).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture)),
            after.Days.Select(day => day.Day));
        Assert.Equal([(1, 7.05m), .. Enumerable.Repeat((0L, 0m), 12), (1, 25m)], Added(before, after));
        Assert.All(after.Days, day => Assert.Matches("^[0-9]+[.][0-9]{2}$", day.Revenue));

        // A cancelled order no longer counts on the day on which it was confirmed.
        await http.SendAsync("DELETE", $"/api/v1/sales/orders/{confirmed}", token: await platform.UserTokenAsync("clerk")).StatusAsync();
        var cancelled = await ShowAsync();
        Assert.Equal((2, 1), (cancelled.Confirmed - before.Confirmed, cancelled.Cancelled - before.Cancelled));
        Assert.Equal([(1, 7.05m), .. Enumerable.Repeat((0L, 0m), 13)], Added(before, cancelled));
        Assert.Equal(0, await platform.QueryAsync<long>("salesdb", Difference));

        // Other tests put orders on these days too.
        static IEnumerable<(long Orders, decimal Revenue)> Added(Shown from, Shown to) => to.Days.Zip(from.Days, (later, earlier) => (
            later.Orders - earlier.Orders,
            decimal.Parse(later.Revenue, System.Globalization.CultureInfo.InvariantCulture) - decimal.Parse(
                earlier.Revenue, System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Fact]
    public async Task The_summary_shows_the_times_of_the_oldest_pending_order_and_the_oldest_unsent_event()
    {
        var now = platform.Clock.GetUtcNow();
        var waiting = await SalesData.AddAsync(platform, 3, _ => { }, (1, 1, 1m));
        await SalesData.AddAsync(platform, 3, _ => { }, (1, 1, 1m));
        var events =
            (await http.SendAsync("GET", Summary, token: await platform.UserTokenAsync("clerk")).JsonAsync()).GetProperty("events");
        Assert.Equal(now.UtcDateTime, events.GetProperty("oldestPendingAt").GetDateTimeOffset().UtcDateTime, TimeSpan.FromMilliseconds(1));

        // An event that cannot leave the outbox, because it has no body. Its id puts it before the rows of other tests, and its header has
        // the time at which it happened.
        await platform.QueryAsync<object>(
            "salesdb",
            """
            INSERT INTO outbox ("Id", "CorrelationId", "DestinationAddress", "Headers", "Sent")
            VALUES (-1, 'test', 'nowhere', '{"rbs2-senttime":"2026-01-02T03:04:05.0000000+00:00"}', true)
            """);
        events = (await http.SendAsync("GET", Summary, token: await platform.UserTokenAsync("clerk")).JsonAsync()).GetProperty("events");
        Assert.Equal("2026-01-02T03:04:05.000000Z", events.GetProperty("oldestUnsentAt").GetString());
        Assert.True(events.GetProperty("unsent").GetInt64() >= 1);
        await platform.QueryAsync<object>("salesdb", """DELETE FROM outbox WHERE "CorrelationId" = 'test'""");
        await platform.QueryAsync<object>(
            "salesdb", "UPDATE orders SET status = 'Cancelled', cancelled_at = now() WHERE id >= $1", waiting);
    }

    [Fact]
    public async Task The_daily_figures_agree_with_the_orders_after_concurrent_changes()
    {
        var fates = Gen.Select(Gen.Int[0, 4], Gen.Int[-20, 0], Gen.Long[1, 999].Select(cents => cents / 100m));
        await fates.Array[4, 16].SampleAsync(orders => Task.WhenAll(orders.Select(async order =>
        {
            var (fate, day, price) = order;
            var at = platform.Clock.GetUtcNow().AddDays(day);
            var id = await SalesData.AddAsync(
                platform, 3,
                placed =>
                    _ = fate switch { 0 => placed.Reject("why", at), 1 => placed.Cancel(at), 2 => false, _ => placed.Confirm([1], at) },
                (1, 3, price));
            if (fate is 4)
            {
                await platform.QueryAsync<object>(
                    "salesdb", "UPDATE orders SET status = 'Cancelled', cancelled_at = $2 WHERE id = $1", id, platform.Clock.GetUtcNow());
            }
        })), iter: 8, threads: 1);
        Assert.Equal(0, await platform.QueryAsync<long>("salesdb", Difference));
    }

    [Fact]
    public async Task The_summary_takes_four_statements_and_reads_only_pending_orders()
    {
        await SalesData.AddAsync(platform, 3, order => order.Confirm([1], platform.Clock.GetUtcNow()), (1, 1, 1m));
        var clerk = await platform.UserTokenAsync("clerk");
        var work = await Work.OfAsync(trace => http.SendAsync("GET", Summary, token: clerk, headers: trace));
        Assert.Equal(4, work.Statements.Count);
        Assert.DoesNotContain(work.Statements, sql => sql.Contains("order_lines", StringComparison.Ordinal));
        Assert.Contains(work.Statements, sql => sql.Contains("FROM orders", StringComparison.Ordinal));
        Assert.All(
            work.Statements.Where(sql => sql.Contains("FROM orders", StringComparison.Ordinal)),
            sql => Assert.Contains("status = 'Pending'", sql, StringComparison.Ordinal));
    }

    private async Task<Shown> ShowAsync()
    {
        var summary = await http.SendAsync("GET", Summary, token: await platform.UserTokenAsync("clerk")).JsonAsync();
        var orders = summary.GetProperty("orders");
        var days = summary.GetProperty("days").EnumerateArray().Select(day =>
            (day.GetProperty("day").GetString()!, day.GetProperty("orders").GetInt64(), day.GetProperty("revenue").GetRawText()));
        return new(Count("pending"), Count("confirmed"), Count("rejected"), Count("cancelled"), [.. days]);

        long Count(string status) => orders.GetProperty(status).GetInt64();
    }

    private sealed record Shown(
        long Pending, long Confirmed, long Rejected, long Cancelled, IReadOnlyList<(string Day, long Orders, string Revenue)> Days);
}
