using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Rebus.Messages;

namespace MicroPlatform.Sales;

/// <summary>A summary of the business, from figures that are cheap to read.</summary>
internal static class SummaryApi
{
    private const int Days = 14;

    public static void MapSummaryApi(this IEndpointRouteBuilder app) =>
        app.MapApi("/sales/summary", "Summary").RequireAuthorization(Policies.Staff)
        .MapGet("/", GetAsync).WithSummary("Show orders by status, revenue of the last 14 days, and the lag of event processing");

    private static async Task<Ok<SalesSummary>> GetAsync(SalesDbContext db, TimeProvider time, CancellationToken cancellationToken)
    {
        var from = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1 - Days);
        var pending = db.Orders.Where(o => o.Status == OrderStatus.Pending);
        var counts = await db.DailySales.GroupBy(_ => 1)
            .Select(all =>
                new OrderCounts(pending.LongCount(), all.Sum(d => d.Confirmed), all.Sum(d => d.Rejected), all.Sum(d => d.Cancelled)))
            .SingleOrDefaultAsync(cancellationToken)
            ?? new(await pending.LongCountAsync(cancellationToken), 0, 0, 0);
        var sold = await db.DailySales.Where(d => d.Day >= from).GroupBy(d => d.Day)
            .Select(day => new DaySummary(day.Key, day.Sum(d => d.Confirmed), day.Sum(d => d.Revenue)))
            .ToDictionaryAsync(day => day.Day, cancellationToken);
        var oldestPending = await pending.OrderBy(o => o.Id).Select(o => (DateTimeOffset?)o.Date).FirstOrDefaultAsync(cancellationToken);
        // The outbox table belongs to the message bus, not to the EF model. Sent events are deleted from it.
        var outbox = await db.Database.SqlQuery<OutboxState>($"""
            SELECT count(*) AS count,
                (SELECT "Headers"::json ->> {Headers.SentTime} FROM outbox ORDER BY "Id" LIMIT 1)::timestamptz AS oldest
            FROM outbox
            """).SingleAsync(cancellationToken);
        return TypedResults.Ok(new SalesSummary(
            counts,
            [.. Enumerable.Range(0, Days).Select(i => from.AddDays(i)).Select(day => sold.GetValueOrDefault(day, new(day, 0, 0)))],
            new(outbox.Count, outbox.Oldest, oldestPending)));
    }

    private sealed record OutboxState(long Count, DateTimeOffset? Oldest);
}
