using System.ComponentModel.DataAnnotations;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Warehouse;

/// <summary>A warehouse item. Its stock is consistent at all times: received = free + reserved + shipped.</summary>
public sealed class Item
{
    /// <summary>
    /// The most free pieces after an adjustment, and the largest single adjustment. Pieces that cancelled orders return are never refused.
    /// </summary>
    public const long MaxStock = 1_000_000_000;

    /// <summary>An item with this number of free pieces or fewer runs low.</summary>
    public const long LowStock = 5;

    /// <summary>The item's id.</summary>
    public long Id { get; init; }

    /// <summary>Stock-keeping unit, 1 to 64 characters; unique.</summary>
    public required string Sku { get; set; }

    /// <summary>Name, 1 to 200 characters; unique within a country of origin.</summary>
    public required string Name { get; set; }

    /// <summary>Description, up to 2,000 characters, may be empty.</summary>
    public required string Description { get; set; }

    /// <summary>Country of origin, 1 to 200 characters.</summary>
    public required string CountryOfOrigin { get; set; }

    /// <summary>Unit price, 0.00 to 999,999.99.</summary>
    public decimal Price { get; set; }

    /// <summary>Pieces that ever came in, less those written off: the sum of all adjustments.</summary>
    public long Received { get; private set; }

    /// <summary>Pieces available for sale.</summary>
    public long Free { get; private set; }

    /// <summary>
    /// Whether it runs low. The database computes this value and indexes it instead of the stock, so PostgreSQL writes to an item's indexes
    /// only when this value changes, not with every order.
    /// </summary>
    public bool IsLow { get; private set; }

    /// <summary>Pieces that orders have reserved.</summary>
    public long Reserved { get; private set; }

    /// <summary>Pieces that have left with an order.</summary>
    public long Shipped { get; private set; }

    /// <summary>Every change of stock that no order caused.</summary>
    public List<StockAdjustment> Adjustments { get; } = [];

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }

    /// <summary>Changes the free stock and notes it in the history. The row must be locked, so that nobody changes it in between.</summary>
    /// <exception cref="ProblemException">409 on <c>delta</c> when the free stock would leave 0 to <see cref="MaxStock"/>.</exception>
    public StockAdjustment Adjust(long delta, string reason, Guid? by, DateTimeOffset at)
    {
        if (Free + delta is < 0 or > MaxStock)
        {
            throw ProblemException.Conflict($"The free stock is {Free}; it must stay between 0 and {MaxStock}.", "delta");
        }

        Free += delta;
        Received += delta;
        var adjustment = new StockAdjustment { Delta = delta, Quantity = Free, Reason = reason, By = by, At = at };
        Adjustments.Add(adjustment);
        return adjustment;
    }

    /// <summary>Sets free pieces aside for an order.</summary>
    internal void Reserve(long pieces)
    {
        Free -= pieces;
        Reserved += pieces;
    }

    /// <summary>Sends reserved pieces out with their order.</summary>
    internal void ShipReserved(long pieces)
    {
        Reserved -= pieces;
        Shipped += pieces;
    }

    /// <summary>Makes the pieces of an order free again.</summary>
    internal void Return(long pieces, bool isShipped)
    {
        Free += pieces;
        Shipped -= isShipped ? pieces : 0;
        Reserved -= isShipped ? 0 : pieces;
    }

    /// <summary>Sends free pieces out with an order.</summary>
    internal void Ship(long pieces)
    {
        Free -= pieces;
        Shipped += pieces;
    }
}

/// <summary>A change of an item's stock that no order caused: goods received, lost, found, counted.</summary>
public sealed class StockAdjustment
{
    /// <summary>The adjustment's id.</summary>
    public long Id { get; init; }

    /// <summary>The item.</summary>
    public long ItemId { get; init; }

    /// <summary>Pieces added, or, below zero, taken away; never zero.</summary>
    public long Delta { get; init; }

    /// <summary>Available pieces after the adjustment.</summary>
    public long Quantity { get; init; }

    /// <summary>The reason, 1 to 200 characters.</summary>
    public required string Reason { get; init; }

    /// <summary>The user who made it; null when the platform made it.</summary>
    public Guid? By { get; init; }

    /// <summary>When (UTC).</summary>
    public DateTimeOffset At { get; init; }
}
