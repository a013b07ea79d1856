using System.ComponentModel.DataAnnotations;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Sales;

/// <summary>The status of an order.</summary>
public enum OrderStatus
{
    /// <summary>Placed; the warehouse has not answered yet.</summary>
    Pending,

    /// <summary>The goods are set aside and the order counts.</summary>
    Confirmed,

    /// <summary>It cannot be served; the reason says why.</summary>
    Rejected,

    /// <summary>Called off.</summary>
    Cancelled,
}

/// <summary>
/// An order. Its lines and prices are fixed when it is placed. Its status is stored with the time of each change.
/// </summary>
public sealed class Order
{
    /// <summary>The largest total, which is also the largest sum of a transaction.</summary>
    public const decimal MaxTotal = 9_999_999_999.99m;

    /// <summary>The most lines.</summary>
    public const int MaxLines = 100;

    /// <summary>The order's id.</summary>
    public long Id { get; init; }

    /// <summary>The customer's id.</summary>
    public required long CustomerId { get; set; }

    /// <summary>When it was placed (UTC).</summary>
    public required DateTimeOffset Date { get; init; }

    /// <summary>The status.</summary>
    public OrderStatus Status { get; private set; }

    /// <summary>Why it was rejected; null otherwise.</summary>
    public string? Reason { get; private set; }

    /// <summary>When it was confirmed (UTC), if it was.</summary>
    public DateTimeOffset? ConfirmedAt { get; private set; }

    /// <summary>When it was rejected (UTC), if it was.</summary>
    public DateTimeOffset? RejectedAt { get; private set; }

    /// <summary>When it was cancelled (UTC), if it was.</summary>
    public DateTimeOffset? CancelledAt { get; private set; }

    /// <summary>The checkout that placed it, unique so that a checkout places one order only; null for orders entered by staff.</summary>
    public Guid? CheckoutId { get; init; }

    /// <summary>The ordered items, in the sequence of the request.</summary>
    public List<OrderLine> Lines { get; } = [];

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }

    /// <summary>Adds a line behind the others.</summary>
    public void Add(string sku, long? itemId, int quantity, decimal unitPrice) =>
        Lines.Add(new() { Line = (short)Lines.Count, Sku = sku, ItemId = itemId, Quantity = quantity, UnitPrice = unitPrice });

    /// <summary>Refuses an order whose total Accounting could not book.</summary>
    /// <exception cref="ProblemException">400 on <paramref name="field"/> when the total is not 0.01 to <see cref="MaxTotal"/>.</exception>
    public void RequireTotal(string field)
    {
        if (Lines.Sum(line => line.Quantity * line.UnitPrice) is <= 0 or > MaxTotal)
        {
            throw ProblemException.Invalid(field, "The total of an order must be 0.01 to 9,999,999,999.99.");
        }
    }

    /// <summary>Confirms the order, whose goods are reserved. An order that is not pending does not change.</summary>
    /// <param name="itemIds">The warehouse's item of each line.</param>
    /// <param name="now">The time.</param>
    /// <returns>Whether this confirmed it.</returns>
    public bool Confirm(IReadOnlyList<long> itemIds, DateTimeOffset now)
    {
        if (Status != OrderStatus.Pending)
        {
            return false;
        }

        foreach (var line in Lines)
        {
            line.ItemId = itemIds[line.Line];
        }

        (Status, ConfirmedAt) = (OrderStatus.Confirmed, now);
        return true;
    }

    /// <summary>Rejects the order. An order that is not pending does not change.</summary>
    /// <returns>Whether this rejected it.</returns>
    public bool Reject(string reason, DateTimeOffset now)
    {
        if (Status != OrderStatus.Pending)
        {
            return false;
        }

        (Status, RejectedAt, Reason) = (OrderStatus.Rejected, now, reason);
        return true;
    }

    /// <summary>Cancels the order; a repeated call changes nothing.</summary>
    /// <returns>Whether this cancelled it.</returns>
    /// <exception cref="ProblemException">409 when it was rejected.</exception>
    public bool Cancel(DateTimeOffset now)
    {
        switch (Status)
        {
            case OrderStatus.Rejected:
                throw ProblemException.Conflict("This order was rejected; there is nothing to cancel.");
            case OrderStatus.Cancelled:
                return false;
            default:
                (Status, CancelledAt) = (OrderStatus.Cancelled, now);
                return true;
        }
    }
}

/// <summary>A line of an order.</summary>
public sealed class OrderLine
{
    /// <summary>The order.</summary>
    public long OrderId { get; init; }

    /// <summary>Its place in the order, from 0.</summary>
    public required short Line { get; init; }

    /// <summary>Stock-keeping unit when it was ordered.</summary>
    public required string Sku { get; init; }

    /// <summary>The warehouse item's id; null until the warehouse has confirmed it.</summary>
    public long? ItemId { get; set; }

    /// <summary>Pieces, 1 to 100,000.</summary>
    public required int Quantity { get; init; }

    /// <summary>Unit price at the time of the order.</summary>
    public required decimal UnitPrice { get; init; }
}

/// <summary>
/// The sales of an item by confirmed orders. A trigger (Migrations/20261122180443_Initial.up.sql) updates it in the transaction that
/// confirms an order or cancels a confirmed one. The cost of reading it does not depend on the number of orders.
/// </summary>
public sealed class SoldItem
{
    /// <summary>The warehouse item.</summary>
    public long ItemId { get; init; }

    /// <summary>Pieces sold.</summary>
    public long Quantity { get; init; }

    /// <summary>Their revenue.</summary>
    public decimal Revenue { get; init; }
}
