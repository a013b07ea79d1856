using System.ComponentModel;
using System.Globalization;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Accounting;

/// <summary>Totals of the books.</summary>
internal static class SummaryApi
{
    public static void MapSummaryApi(this IEndpointRouteBuilder app) =>
        app.MapApi("/accounting/summary", "Summary").RequireAuthorization(Policies.Staff)
        .MapGet("/", SummarizeAsync).AllowStaleRead().WithSummary("Show revenue by month (UTC), in total or for one order");

    private static async Task<Ok<SummaryResponse>> SummarizeAsync(
        AccountingDbContext db, CancellationToken cancellationToken,
        [Description("The first day (UTC), such as 2026-11-01; from the beginning when absent.")] DateOnly? from = null,
        [Description("The last day (UTC); to the end when absent.")] DateOnly? to = null,
        [Description("Only transactions of this order.")] long? orderId = null)
    {
        if (from > to)
        {
            throw ProblemException.Invalid("from", "This is after to.");
        }

        var transactions = db.Transactions.Where(t => t.VoidedAt == null);
        if (from is { } first)
        {
            var start = StartOf(first);
            transactions = transactions.Where(t => t.Date >= start);
        }

        if (to is { } last && last < DateOnly.MaxValue)
        {
            var end = StartOf(last.AddDays(1));
            transactions = transactions.Where(t => t.Date < end);
        }

        if (orderId is { } order)
        {
            transactions = transactions.Where(t => t.OrderId == order);
        }

        var months = await transactions
            .GroupBy(t => new { t.Date.UtcDateTime.Year, t.Date.UtcDateTime.Month })
            .OrderBy(month => month.Key.Year).ThenBy(month => month.Key.Month)
            .Select(month => new { month.Key.Year, month.Key.Month, Count = month.LongCount(), Total = month.Sum(t => t.Sum) })
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(new SummaryResponse(
            [
                .. months.Select(m =>
                    new MonthSummary(string.Create(CultureInfo.InvariantCulture, $"{m.Year:D4}-{m.Month:D2}"), m.Count, m.Total)),
            ],
            months.Sum(m => m.Total)));

        static DateTimeOffset StartOf(DateOnly day) => new(day, TimeOnly.MinValue, TimeSpan.Zero);
    }
}
