using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Accounting;

/// <summary>A cancelled order; kept so that a late confirmation is booked and voided at once.</summary>
public sealed class CancelledOrder
{
    /// <summary>The order of Sales.</summary>
    public required long OrderId { get; init; }

    /// <summary>When Accounting learned of it (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>Books the sum of a confirmed order, once.</summary>
internal sealed class OrderConfirmedHandler(AccountingDbContext db, EventBus<AccountingDbContext> events, AccountingTelemetry telemetry)
    : IHandleMessages<OrderConfirmed>
{
    public Task Handle(OrderConfirmed message) => events.HandleOnceAsync("accounting.post", async cancellationToken =>
    {
        await db.LockOrderAsync(message.OrderId, cancellationToken);
        var source = Transaction.SourceOf(message.OrderId);
        // When the answer of Warehouse is redelivered, Sales publishes the confirmation again, as a new message.
        if (await db.Transactions.AnyAsync(transaction => transaction.Source == source, cancellationToken))
        {
            return;
        }

        var transaction = new Transaction { OrderId = message.OrderId, Sum = message.Total, Date = message.ConfirmedAt, Source = source };
        if (await db.CancelledOrders.SingleOrDefaultAsync(order => order.OrderId == message.OrderId, cancellationToken) is { } cancelled)
        {
            transaction.Void(cancelled.At);
        }

        db.Add(transaction);
        await db.SaveChangesAsync(cancellationToken);
        db.OnCommitted(() => telemetry.CountPosted(transaction));
    });
}

/// <summary>Voids the transaction of a cancelled order.</summary>
internal sealed class OrderCancelledHandler(AccountingDbContext db, EventBus<AccountingDbContext> events, TimeProvider time)
    : IHandleMessages<OrderCancelled>
{
    public Task Handle(OrderCancelled message) => events.HandleOnceAsync("accounting.void", async cancellationToken =>
    {
        await db.LockOrderAsync(message.OrderId, cancellationToken);
        if (!await db.CancelledOrders.AnyAsync(order => order.OrderId == message.OrderId, cancellationToken))
        {
            db.Add(new CancelledOrder { OrderId = message.OrderId, At = time.GetUtcNow() });
        }

        var source = Transaction.SourceOf(message.OrderId);
        var transaction = await db.Transactions.SingleOrDefaultAsync(t => t.Source == source, cancellationToken);
        transaction?.Void(time.GetUtcNow());
        await db.SaveChangesAsync(cancellationToken);
    });
}

internal static class OrderLock
{
    /// <summary>
    /// Locks the order until the transaction ends, so that all replicas book the events of one order one after the other.
    /// </summary>
    public static Task<int> LockOrderAsync(this AccountingDbContext db, long orderId, CancellationToken cancellationToken) =>
        db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended('order', {orderId}))", cancellationToken);
}
