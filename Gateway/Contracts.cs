using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Gateway;

/// <summary>One order with what four services know about it.</summary>
/// <param name="Order">The order, as Sales has it.</param>
/// <param name="Items">Its items as Warehouse has them now, ordered by id, without removed ones. Null without Warehouse.</param>
/// <param name="Transactions">Its first 200 transactions, void ones included, ordered by id. Null when Accounting does not answer.</param>
/// <param name="Customer">The customer it is for. Null when Customers does not answer, or when there is no such customer any more.</param>
/// <param name="Unavailable">The services that did not answer, by name; empty when the picture is whole.</param>
public sealed record OrderOverview(
    OverviewOrder Order,
    IReadOnlyList<OverviewItem>? Items,
    IReadOnlyList<OverviewTransaction>? Transactions,
    OverviewCustomer? Customer,
    IReadOnlyList<string> Unavailable);

/// <summary>An order.</summary>
/// <param name="Id">The order's id.</param>
/// <param name="CustomerId">The customer it is for.</param>
/// <param name="Date">When it was placed (UTC).</param>
/// <param name="Status">Pending, Confirmed, Rejected or Cancelled.</param>
/// <param name="Reason">Why it was rejected; null otherwise.</param>
/// <param name="Items">What it holds.</param>
/// <param name="Total">What it costs: the sum of its lines.</param>
public sealed record OverviewOrder(
    long Id, long CustomerId, DateTimeOffset Date, string Status, string? Reason, IReadOnlyList<OverviewOrderLine> Items, decimal Total);

/// <summary>A line of an order.</summary>
/// <param name="ItemId">The warehouse item; null until the warehouse has said which it is.</param>
/// <param name="Sku">Its stock-keeping unit when it was ordered.</param>
/// <param name="Quantity">Pieces.</param>
/// <param name="UnitPrice">Price of one piece when it was ordered.</param>
/// <param name="LineTotal">What the line costs.</param>
public sealed record OverviewOrderLine(long? ItemId, string Sku, int Quantity, decimal UnitPrice, decimal LineTotal);

/// <summary>A warehouse item as it is now.</summary>
/// <param name="Id">The item's id.</param>
/// <param name="Sku">Stock-keeping unit.</param>
/// <param name="Name">Name.</param>
/// <param name="Quantity">Pieces that are free to be sold.</param>
/// <param name="Reserved">Pieces that orders have reserved, not counted in the quantity.</param>
public sealed record OverviewItem(long Id, string Sku, string Name, long Quantity, long Reserved);

/// <summary>A transaction as the books have it.</summary>
/// <param name="Id">The transaction's id.</param>
/// <param name="Sum">The sum, above zero.</param>
/// <param name="Date">When the money was taken (UTC).</param>
/// <param name="VoidedAt">When it was voided (UTC); null while it counts.</param>
public sealed record OverviewTransaction(long Id, decimal Sum, DateTimeOffset Date, DateTimeOffset? VoidedAt);

/// <summary>A customer.</summary>
/// <param name="Id">The customer's id.</param>
/// <param name="Email">E-mail address.</param>
public sealed record OverviewCustomer(long Id, string Email);

/// <summary>The back office at a glance.</summary>
/// <param name="Orders">All orders by status. Null when Sales does not answer.</param>
/// <param name="Days">The last 14 days (UTC), today last. Null when Sales does not answer.</param>
/// <param name="Events">How far the platform is behind what has happened. Null when Sales does not answer.</param>
/// <param name="DeadLetters">
/// The oldest 10 dead letters of all services; with the cursor the rest is at <c>/api/v1/sales/dead-letters</c>. Null without Sales.
/// </param>
/// <param name="LowStock">
/// The first 10 items that run low, ordered by id; with the cursor the rest is at <c>/api/v1/warehouse/items?lowStock=true</c>.
/// Null without Warehouse.
/// </param>
/// <param name="Unavailable">The services that did not answer, by name; empty when the picture is whole.</param>
public sealed record Board(
    BoardOrders? Orders, IReadOnlyList<BoardDay>? Days, BoardEvents? Events, Page<BoardDeadLetter>? DeadLetters,
    Page<OverviewItem>? LowStock, IReadOnlyList<string> Unavailable);

/// <summary>Orders by status.</summary>
/// <param name="Pending">Waiting for the warehouse.</param>
/// <param name="Confirmed">Confirmed, and not cancelled since.</param>
/// <param name="Rejected">Rejected.</param>
/// <param name="Cancelled">Cancelled.</param>
public sealed record BoardOrders(long Pending, long Confirmed, long Rejected, long Cancelled);

/// <summary>What a day brought.</summary>
/// <param name="Day">The day (UTC).</param>
/// <param name="Orders">Orders confirmed on it, and not cancelled since.</param>
/// <param name="Revenue">Their totals.</param>
public sealed record BoardDay(DateOnly Day, long Orders, decimal Revenue);

/// <summary>What has happened and is not known everywhere yet.</summary>
/// <param name="Unsent">Events that have not left Sales.</param>
/// <param name="OldestUnsentAt">When the oldest of them happened (UTC); null when there is none.</param>
/// <param name="OldestPendingAt">When the order was placed (UTC) that has waited longest for the warehouse; null when none waits.</param>
public sealed record BoardEvents(long Unsent, DateTimeOffset? OldestUnsentAt, DateTimeOffset? OldestPendingAt);

/// <summary>An event that could not be handled and was set aside.</summary>
/// <param name="Id">Names it for another try.</param>
/// <param name="Event">The event's name.</param>
/// <param name="At">When it was set aside (UTC).</param>
/// <param name="Queue">The service that could not handle it.</param>
/// <param name="Reason">What went wrong.</param>
/// <param name="OrderId">The order it is about, if it is about one.</param>
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
