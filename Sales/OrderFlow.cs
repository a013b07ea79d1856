using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse.Events;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Sales;

/// <summary>The goods are reserved: the order is confirmed. A redelivery gets the answer that fits the order's present status.</summary>
internal sealed class StockReservedHandler(SalesDbContext db, EventBus<SalesDbContext> events, SalesTelemetry telemetry, TimeProvider time)
    : IHandleMessages<StockReserved>
{
    public Task Handle(StockReserved message) => events.ReplyAsync(async cancellationToken =>
    {
        var order = await db.LockOrderAsync(message.OrderId, preconditions: default, cancellationToken);
        if (order.Confirm(message.Items, time.GetUtcNow()))
        {
            await db.SaveChangesAsync(cancellationToken);
            db.OnCommitted(() => telemetry.CountConfirmed(order));
        }

        return order.Status switch
        {
            OrderStatus.Confirmed => [order.ToConfirmed()],
            OrderStatus.Cancelled => [order.ToCancelled()],
            _ => Array.Empty<object>(),
        };
    });
}

/// <summary>The goods are not available: the order is rejected.</summary>
internal sealed class StockRejectedHandler(SalesDbContext db, EventBus<SalesDbContext> events, SalesTelemetry telemetry, TimeProvider time)
    : IHandleMessages<StockRejected>
{
    public Task Handle(StockRejected message) => events.ReplyAsync(async cancellationToken =>
    {
        var order = await db.LockOrderAsync(message.OrderId, preconditions: default, cancellationToken);
        if (order.Reject(message.Reason, time.GetUtcNow()))
        {
            await db.SaveChangesAsync(cancellationToken);
            db.OnCommitted(() => telemetry.Rejected.Add(1));
        }

        return order.Status == OrderStatus.Rejected
            ? [new OrderRejected(order.Id, order.Reason!, order.CheckoutId)]
            : Array.Empty<object>();
    });
}

/// <summary>Creates the events of an order, and locks an order for a change.</summary>
internal static class OrderFlow
{
    public static OrderPlaced ToPlaced(this Order order) => new(order.Id, [.. order.Lines.OrderBy(line => line.Line)
        .Select(line => new OrderedItem(line.ItemId, line.ItemId is null ? line.Sku : null, line.Quantity))]);

    public static OrderConfirmed ToConfirmed(this Order order) =>
        new(order.Id, order.Lines.Sum(line => line.Quantity * line.UnitPrice), order.ConfirmedAt!.Value, order.CheckoutId);

    public static OrderCancelled ToCancelled(this Order order) => new(order.Id, order.CheckoutId);

    /// <summary>
    /// Locks the order until the transaction ends, so that a cancellation by staff and the answer of Warehouse run one after the other.
    /// </summary>
    public static async Task<Order> LockOrderAsync(
        this SalesDbContext db, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var order = await db.Orders.FromSql($"SELECT *, xmin FROM orders WHERE id = {id} FOR NO KEY UPDATE")
            .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("order", id);
        preconditions.Require(order.Version);
        await db.Entry(order).Collection(o => o.Lines).LoadAsync(cancellationToken);
        return order;
    }
}
