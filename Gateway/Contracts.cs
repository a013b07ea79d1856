using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Gateway;

/// <summary>An order, combined from four services.</summary>
/// <param name="Order">The order, as Sales has it.</param>
/// <param name="Items">Its items as they are now, ordered by id, without removed ones. Null when Warehouse does not answer.</param>
/// <param name="Transactions">The first 200 transactions, void ones included, ordered by id. Null when Accounting does not answer.</param>
/// <param name="Customer">The customer. Null when Customers does not answer or the customer was deleted.</param>
/// <param name="Unavailable">The names of the services that did not answer; empty when the answer is complete.</param>
public sealed record OrderOverview(
    OverviewOrder Order,
    IReadOnlyList<OverviewItem>? Items,
    IReadOnlyList<OverviewTransaction>? Transactions,
    OverviewCustomer? Customer,
    IReadOnlyList<string> Unavailable);

/// <summary>An order.</summary>
/// <param name="Id">The order's id.</param>
/// <param name="CustomerId">The customer's id.</param>
/// <param name="Date">When it was placed (UTC).</param>
/// <param name="Status">Pending, Confirmed, Rejected or Cancelled.</param>
/// <param name="Reason">Why it was rejected; null otherwise.</param>
/// <param name="Items">The lines.</param>
/// <param name="Total">The total of the lines.</param>
public sealed record OverviewOrder(
    long Id, long CustomerId, DateTimeOffset Date, string Status, string? Reason, IReadOnlyList<OverviewOrderLine> Items, decimal Total);

/// <summary>A line of an order.</summary>
/// <param name="ItemId">The warehouse item's id; null until the warehouse has confirmed it.</param>
/// <param name="Sku">The stock-keeping unit at the time of the order.</param>
/// <param name="Quantity">Pieces.</param>
/// <param name="UnitPrice">Unit price at the time of the order.</param>
/// <param name="LineTotal">The total of the line.</param>
public sealed record OverviewOrderLine(long? ItemId, string Sku, int Quantity, decimal UnitPrice, decimal LineTotal);

/// <summary>A warehouse item as it is now.</summary>
/// <param name="Id">The item's id.</param>
/// <param name="Sku">Stock-keeping unit.</param>
/// <param name="Name">Name.</param>
/// <param name="Quantity">Pieces available for sale.</param>
/// <param name="Reserved">Pieces reserved by orders, not included in the quantity.</param>
public sealed record OverviewItem(long Id, string Sku, string Name, long Quantity, long Reserved);

/// <summary>A transaction.</summary>
/// <param name="Id">The transaction's id.</param>
/// <param name="Sum">The sum, above zero.</param>
/// <param name="Date">The time of payment (UTC).</param>
/// <param name="VoidedAt">When it was voided (UTC); null while it counts.</param>
public sealed record OverviewTransaction(long Id, decimal Sum, DateTimeOffset Date, DateTimeOffset? VoidedAt);

/// <summary>A customer.</summary>
/// <param name="Id">The customer's id.</param>
/// <param name="Email">E-mail address.</param>
public sealed record OverviewCustomer(long Id, string Email);

/// <summary>An overview of the back office.</summary>
/// <param name="Orders">Number of orders by status. Null when Sales does not answer.</param>
/// <param name="Days">The last 14 days (UTC), today last. Null when Sales does not answer.</param>
/// <param name="Events">How far event processing lags behind. Null when Sales does not answer.</param>
/// <param name="DeadLetters">
/// The oldest 10 dead letters of all services. <c>/api/v1/sales/dead-letters</c> with the cursor returns the rest.
/// Null when Sales does not answer.
/// </param>
/// <param name="LowStock">
/// The first 10 items low in stock, ordered by id. <c>/api/v1/warehouse/items?lowStock=true</c> with the cursor returns the rest.
/// Null without Warehouse.
/// </param>
/// <param name="Unavailable">The names of the services that did not answer; empty when the answer is complete.</param>
public sealed record Board(
    BoardOrders? Orders, IReadOnlyList<BoardDay>? Days, BoardEvents? Events, Page<BoardDeadLetter>? DeadLetters,
    Page<OverviewItem>? LowStock, IReadOnlyList<string> Unavailable);

/// <summary>Orders by status.</summary>
/// <param name="Pending">Waiting for the warehouse.</param>
/// <param name="Confirmed">Confirmed and not cancelled.</param>
/// <param name="Rejected">Rejected.</param>
/// <param name="Cancelled">Cancelled.</param>
public sealed record BoardOrders(long Pending, long Confirmed, long Rejected, long Cancelled);

/// <summary>Orders and revenue of a day.</summary>
/// <param name="Day">The day (UTC).</param>
/// <param name="Orders">Orders that were confirmed that day and not cancelled.</param>
/// <param name="Revenue">Their totals.</param>
public sealed record BoardDay(DateOnly Day, long Orders, decimal Revenue);

/// <summary>Events that have not reached every service yet.</summary>
/// <param name="Unsent">Events that Sales has not published yet.</param>
/// <param name="OldestUnsentAt">The time of the oldest of them (UTC); null when there is none.</param>
/// <param name="OldestPendingAt">When the oldest pending order was placed (UTC); null when there is none.</param>
public sealed record BoardEvents(long Unsent, DateTimeOffset? OldestUnsentAt, DateTimeOffset? OldestPendingAt);

/// <summary>An event that a service could not handle (a dead letter).</summary>
/// <param name="Id">The id to use for a redelivery.</param>
/// <param name="Event">The event's name.</param>
/// <param name="At">When it became a dead letter (UTC).</param>
/// <param name="Queue">The service that could not handle it.</param>
/// <param name="Reason">The error of the last attempt.</param>
/// <param name="OrderId">The order that the event concerns, if any.</param>
public sealed record BoardDeadLetter(long Id, string Event, DateTimeOffset At, string Queue, string Reason, long? OrderId);

/// <summary>The health of a service or of the platform.</summary>
public enum ServiceStatus
{
    /// <summary>All parts take calls.</summary>
    Ready,

    /// <summary>Some parts do not take calls.</summary>
    Degraded,

    /// <summary>It answers, but cannot work: its database or its keys are missing.</summary>
    Unready,

    /// <summary>It does not answer.</summary>
    Down,
}

/// <summary>The health of the platform.</summary>
/// <param name="Status">Ready when every service is.</param>
/// <param name="Services">Its services, the Gateway first.</param>
public sealed record PlatformHealth(ServiceStatus Status, IReadOnlyList<ServiceHealth> Services);

/// <summary>The health of a service.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Status">Its status.</param>
/// <param name="Ready">Its processes that take calls.</param>
/// <param name="Replicas">All of its processes that are known.</param>
public sealed record ServiceHealth(string Name, ServiceStatus Status, int Ready, int Replicas);
