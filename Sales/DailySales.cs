namespace MicroPlatform.Sales;

/// <summary>
/// The orders and the revenue of a day (UTC). A trigger (Migrations/20261122180443_Initial.up.sql) updates it in the transaction that
/// changes an order's status. The board reads it every few seconds; the cost does not depend on the number of orders.
/// </summary>
public sealed class DailySales
{
    /// <summary>The day (UTC) on which the orders got their status.</summary>
    public DateOnly Day { get; init; }

    /// <summary>Which of the day's rows, 0 to 15: an order's id modulo 16.</summary>
    public short Slot { get; init; }

    /// <summary>Orders confirmed on that day, and not cancelled since.</summary>
    public long Confirmed { get; init; }

    /// <summary>Orders rejected on that day.</summary>
    public long Rejected { get; init; }

    /// <summary>Orders cancelled on that day.</summary>
    public long Cancelled { get; init; }

    /// <summary>The sum of the confirmed orders.</summary>
    public decimal Revenue { get; init; }
}
