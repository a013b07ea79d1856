namespace MicroPlatform.Warehouse;

/// <summary>The state of an order's goods.</summary>
public enum ReservationStatus
{
    /// <summary>All goods are reserved.</summary>
    Reserved,

    /// <summary>The goods were not available; the reason says why.</summary>
    Rejected,

    /// <summary>Shipped with the order.</summary>
    Shipped,

    /// <summary>The order was cancelled; its goods are free again.</summary>
    Released,
}

/// <summary>The goods of one order. An order has at most one, however often and in whatever sequence messages arrive.</summary>
public sealed class Reservation
{
    /// <summary>The order of Sales, and the key.</summary>
    public required long OrderId { get; init; }

    /// <summary>Its state.</summary>
    public ReservationStatus Status { get; set; }

    /// <summary>Why it was rejected; null otherwise.</summary>
    public string? Reason { get; set; }

    /// <summary>When its status last changed (UTC).</summary>
    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>The goods; none when it is rejected or released.</summary>
    public List<ReservationLine> Lines { get; init; } = [];
}

/// <summary>Some pieces of an item that an order holds.</summary>
public sealed class ReservationLine
{
    /// <summary>The order.</summary>
    public long OrderId { get; init; }

    /// <summary>The place in the order, from 0.</summary>
    public required short Line { get; init; }

    /// <summary>The item.</summary>
    public required long ItemId { get; init; }

    /// <summary>Pieces, 1 or more.</summary>
    public required int Quantity { get; init; }
}
