using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Sales;

/// <summary>An order.</summary>
/// <param name="Id">The order's id.</param>
/// <param name="CustomerId">The customer's id.</param>
/// <param name="Date">When it was placed (UTC).</param>
/// <param name="Status">The status.</param>
/// <param name="Reason">Why it was rejected; null otherwise.</param>
/// <param name="Items">The lines.</param>
/// <param name="Steps">The status changes, oldest first.</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record OrderResponse(
    long Id, long CustomerId, DateTimeOffset Date, OrderStatus Status, string? Reason,
    IReadOnlyList<OrderItemResponse> Items, IReadOnlyList<OrderStep> Steps, [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of an order.</summary>
    public static readonly Expression<Func<Order, OrderResponse>> FromOrder = o => new(
        o.Id, o.CustomerId, o.Date, o.Status, o.Reason,
        o.Lines.OrderBy(l => l.Line).Select(l => new OrderItemResponse(l.ItemId, l.Sku, l.Quantity, l.UnitPrice)).ToList(),
        StepsOf(o.Date, o.ConfirmedAt, o.RejectedAt, o.CancelledAt, o.Reason), o.Version);

    /// <summary>Maps an order that is already loaded.</summary>
    public static readonly Func<Order, OrderResponse> Of = FromOrder.Compile();

    /// <summary>The total of the lines.</summary>
    public decimal Total => Items.Sum(item => item.LineTotal);

    private static List<OrderStep> StepsOf(
        DateTimeOffset placed, DateTimeOffset? confirmed, DateTimeOffset? rejected, DateTimeOffset? cancelled, string? reason)
    {
        List<OrderStep> steps = [new(OrderStatus.Pending, placed, Reason: null)];
        if (confirmed is { } confirmedAt)
        {
            steps.Add(new(OrderStatus.Confirmed, confirmedAt, Reason: null));
        }

        if (rejected is { } rejectedAt)
        {
            steps.Add(new(OrderStatus.Rejected, rejectedAt, reason));
        }

        if (cancelled is { } cancelledAt)
        {
            steps.Add(new(OrderStatus.Cancelled, cancelledAt, Reason: null));
        }

        return steps;
    }
}

/// <summary>A line of an order.</summary>
/// <param name="ItemId">The warehouse item's id; null until the warehouse has confirmed it.</param>
/// <param name="Sku">The stock-keeping unit at the time of the order.</param>
/// <param name="Quantity">Pieces.</param>
/// <param name="UnitPrice">Unit price at the time of the order.</param>
public sealed record OrderItemResponse(long? ItemId, string Sku, int Quantity, decimal UnitPrice)
{
    /// <summary>The total of the line.</summary>
    public decimal LineTotal => Quantity * UnitPrice;
}

/// <summary>A status change of an order.</summary>
/// <param name="Status">The new status.</param>
/// <param name="At">When (UTC).</param>
/// <param name="Reason">The reason of a rejection.</param>
public sealed record OrderStep(OrderStatus Status, DateTimeOffset At, string? Reason);

/// <summary>A new order.</summary>
public sealed record CreateOrderRequest : IValidatableObject
{
    /// <summary>The customer's id.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? CustomerId { get; init; }

    /// <summary>The lines, 1 to 100, each item once.</summary>
    [Required, Length(1, Order.MaxLines, ErrorMessage = "An order has 1 to 100 lines.")]
    public IReadOnlyList<CreateOrderItem>? Items { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        var seen = new HashSet<long>();
        for (var i = 0; i < Items?.Count; i++)
        {
            if (Items[i] is not { ItemId: { } itemId })
            {
                yield return new("The line is empty.", [$"{nameof(Items)}[{i}]"]);
            }
            else if (!seen.Add(itemId))
            {
                yield return new(
                    "This item is in the order already; order more of it in one line.",
                    [$"{nameof(Items)}[{i}].{nameof(CreateOrderItem.ItemId)}"]);
            }
        }
    }
}

/// <summary>A line of a new order.</summary>
public sealed record CreateOrderItem
{
    internal const int MaxQuantity = 100_000;

    /// <summary>The warehouse item.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? ItemId { get; init; }

    /// <summary>Pieces, 1 to 100,000.</summary>
    [Required, Range(1, MaxQuantity)]
    public int? Quantity { get; init; }

    /// <summary>Unit price, 0.00 to 999,999.99; the warehouse's price when absent.</summary>
    [Range(typeof(decimal), "0", Prices.Max, ParseLimitsInInvariantCulture = true)]
    public decimal? UnitPrice { get; init; }
}

/// <summary>Changes of an order.</summary>
public sealed record UpdateOrderRequest
{
    /// <summary>The customer's id.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? CustomerId { get; init; }
}

/// <summary>Sales of an item in confirmed orders.</summary>
/// <param name="ItemId">The warehouse item.</param>
/// <param name="Name">The item's current name; null when the item was removed.</param>
/// <param name="Quantity">Pieces sold.</param>
/// <param name="Revenue">Their revenue.</param>
public sealed record SoldItemResponse(long ItemId, string? Name, long Quantity, decimal Revenue);

/// <summary>Orders and revenue.</summary>
/// <param name="Orders">Number of orders by status.</param>
/// <param name="Days">The last 14 days (UTC), today last, days without sales included.</param>
/// <param name="Events">How far event processing lags behind.</param>
public sealed record SalesSummary(OrderCounts Orders, IReadOnlyList<DaySummary> Days, EventLag Events);

/// <summary>Orders by status.</summary>
/// <param name="Pending">Waiting for the warehouse.</param>
/// <param name="Confirmed">Confirmed and not cancelled.</param>
/// <param name="Rejected">Rejected.</param>
/// <param name="Cancelled">Cancelled.</param>
public sealed record OrderCounts(long Pending, long Confirmed, long Rejected, long Cancelled);

/// <summary>Orders and revenue of a day.</summary>
/// <param name="Day">The day (UTC).</param>
/// <param name="Orders">Orders that were confirmed that day and not cancelled.</param>
/// <param name="Revenue">Their totals.</param>
public sealed record DaySummary(DateOnly Day, long Orders, decimal Revenue);

/// <summary>Events that have not reached every service yet.</summary>
/// <param name="Unsent">Events that Sales has not published yet.</param>
/// <param name="OldestUnsentAt">The time of the oldest of them (UTC); null when there is none.</param>
/// <param name="OldestPendingAt">When the oldest pending order was placed (UTC); null when there is none.</param>
public sealed record EventLag(long Unsent, DateTimeOffset? OldestUnsentAt, DateTimeOffset? OldestPendingAt);
