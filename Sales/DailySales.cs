namespace MicroPlatform.Sales;

/// <summary>
/// The orders and the revenue of a day (UTC). A trigger (Migrations/20261122180443_Initial.up.sql) keeps it in the transaction in which an
/// order gets another status: the board reads it every few seconds, and that costs the same after a thousand orders and after a billion.
/// </summary>
public sealed class DailySales
{
    /// <summary>The day (UTC) on which the orders got their status.</summary>
    public DateOnly Day { get; init; }

    /// <summary>Which of the day's rows, 0 to 15: what is left of an order's id when it is divided by 16.</summary>
    public short Slot { get; init; }

    /// <summary>Orders confirmed on that day, and not cancelled since.</summary>
    public long Confirmed { get; init; }

    /// <summary>Orders rejected on that day.</summary>
    public long Rejected { get; init; }

    /// <summary>Orders cancelled on that day.</summary>
    public long Cancelled { get; init; }

    /// <summary>The totals of the confirmed ones.</summary>
    public decimal Revenue { get; init; }
}
