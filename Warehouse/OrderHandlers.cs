using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse.Events;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Warehouse;

/// <summary>
/// Reserves the goods of an order, all or none, and answers Sales. A redelivery finds the reservation and gives the same answer.
/// </summary>
internal sealed class OrderPlacedHandler(WarehouseDbContext db, EventBus<WarehouseDbContext> events, TimeProvider time)
    : IHandleMessages<OrderPlaced>
{
    public Task Handle(OrderPlaced message) => events.ReplyAsync(async cancellationToken =>
    {
        // When two replicas handle equal messages at once, the second waits at the primary key until the first commits.
        var isFirst = await db.ClaimReservationAsync(message.OrderId, ReservationStatus.Rejected, time.GetUtcNow(), cancellationToken);
        var reservation = await db.Reservations.Include(r => r.Lines).SingleAsync(r => r.OrderId == message.OrderId, cancellationToken);
        if (isFirst)
        {
            reservation.Reason = await ReserveAsync(reservation, message.Items, cancellationToken);
            reservation.Status = reservation.Reason is null ? ReservationStatus.Reserved : ReservationStatus.Rejected;
            await db.SaveChangesAsync(cancellationToken);
        }

        return reservation.Status switch
        {
            ReservationStatus.Reserved or ReservationStatus.Shipped =>
                [new StockReserved(message.OrderId, [.. reservation.Lines.OrderBy(line => line.Line).Select(line => line.ItemId)])],
            ReservationStatus.Rejected => [new StockRejected(message.OrderId, reservation.Reason!)],
            // The order was cancelled before it arrived here; Sales knows that and expects no answer.
            _ => Array.Empty<object>(),
        };
    });

    /// <returns>The reason for a refusal; null when the goods are reserved.</returns>
    private async Task<string?> ReserveAsync(
        Reservation reservation, IReadOnlyList<OrderedItem> wanted, CancellationToken cancellationToken)
    {
        var ids = wanted.Select(item => item.ItemId ?? 0).ToArray();
        var skus = wanted.Select(item => item.Sku ?? "").ToArray();
        // Every transaction locks items in the order of their ids, so that no deadlock can occur.
        var items = await db.Items.FromSql(
            $"SELECT *, xmin FROM items WHERE id = ANY({ids}) OR sku = ANY({skus}) ORDER BY id FOR NO KEY UPDATE").ToListAsync(
                cancellationToken);
        foreach (var (index, line) in wanted.Index())
        {
            var item =
                items.SingleOrDefault(i => line.ItemId is { } id ? i.Id == id : string.Equals(i.Sku, line.Sku, StringComparison.Ordinal));
            if (item is null)
            {
                return Refuse($"The warehouse has no item {line.Sku ?? $"{line.ItemId}"}.");
            }

            if (item.Free < line.Quantity)
            {
                return Refuse($"Only {item.Free} of {item.Name} are free; {line.Quantity} were ordered.");
            }

            item.Reserve(line.Quantity);
            reservation.Lines.Add(new() { Line = (short)index, ItemId = item.Id, Quantity = line.Quantity });
        }

        return null;

        // The reservations of earlier lines exist only in memory; they are discarded.
        string Refuse(string reason)
        {
            reservation.Lines.Clear();
            foreach (var item in items)
            {
                db.Entry(item).State = EntityState.Detached;
            }

            return reason;
        }
    }
}

/// <summary>The order is confirmed: its goods are shipped.</summary>
internal sealed class OrderConfirmedHandler(WarehouseDbContext db, EventBus<WarehouseDbContext> events, TimeProvider time)
    : IHandleMessages<OrderConfirmed>
{
    public Task Handle(OrderConfirmed message) => events.HandleOnceAsync("warehouse.ship", async cancellationToken =>
    {
        var reservation = await db.LockReservationAsync(message.OrderId, cancellationToken);
        if (reservation.Status == ReservationStatus.Reserved)
        {
            await db.MoveStockAsync(reservation, (item, pieces) => item.ShipReserved(pieces), cancellationToken);
            (reservation.Status, reservation.ChangedAt) = (ReservationStatus.Shipped, time.GetUtcNow());
            await db.SaveChangesAsync(cancellationToken);
        }
    });
}

/// <summary>
/// The order was cancelled: its goods are free again. If this message arrives before the order itself, a released reservation is stored, so
/// that nothing is reserved later.
/// </summary>
internal sealed class OrderCancelledHandler(WarehouseDbContext db, EventBus<WarehouseDbContext> events, TimeProvider time)
    : IHandleMessages<OrderCancelled>
{
    public Task Handle(OrderCancelled message) => events.HandleOnceAsync("warehouse.release", async cancellationToken =>
    {
        if (await db.ClaimReservationAsync(message.OrderId, ReservationStatus.Released, time.GetUtcNow(), cancellationToken))
        {
            return;
        }

        var reservation = await db.LockReservationAsync(message.OrderId, cancellationToken);
        if (reservation.Status is ReservationStatus.Reserved or ReservationStatus.Shipped)
        {
            var isShipped = reservation.Status == ReservationStatus.Shipped;
            await db.MoveStockAsync(reservation, (item, pieces) => item.Return(pieces, isShipped), cancellationToken);
            reservation.Lines.Clear();
        }

        (reservation.Status, reservation.Reason, reservation.ChangedAt) = (ReservationStatus.Released, null, time.GetUtcNow());
        await db.SaveChangesAsync(cancellationToken);
    });
}

/// <summary>What the handlers share.</summary>
internal static class Reservations
{
    /// <summary>Makes the reservation of an order unless there is one.</summary>
    /// <returns>Whether this made it.</returns>
    public static async Task<bool> ClaimReservationAsync(
        this WarehouseDbContext db, long orderId, ReservationStatus status, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var reason = status == ReservationStatus.Rejected ? "" : null;
        return await db.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO reservations (order_id, status, reason, changed_at)
            VALUES ({orderId}, {status.ToString()}, {reason}, {now}) ON CONFLICT DO NOTHING
            """,
            cancellationToken) == 1;
    }

    public static async Task<Reservation> LockReservationAsync(
        this WarehouseDbContext db, long orderId, CancellationToken cancellationToken)
    {
        var reservation = await db.Reservations.FromSql($"SELECT * FROM reservations WHERE order_id = {orderId} FOR NO KEY UPDATE")
            .SingleAsync(cancellationToken);
        await db.Entry(reservation).Collection(r => r.Lines).LoadAsync(cancellationToken);
        return reservation;
    }

    /// <summary>Moves the pieces of every line, with the items locked in the order of their ids.</summary>
    public static async Task MoveStockAsync(
        this WarehouseDbContext db, Reservation reservation, Action<Item, int> move, CancellationToken cancellationToken)
    {
        var ids = reservation.Lines.Select(line => line.ItemId).ToArray();
        var items = await db.Items.FromSql($"SELECT *, xmin FROM items WHERE id = ANY({ids}) ORDER BY id FOR NO KEY UPDATE")
            .ToDictionaryAsync(item => item.Id, cancellationToken);
        foreach (var line in reservation.Lines)
        {
            move(items[line.ItemId], line.Quantity);
        }
    }
}
