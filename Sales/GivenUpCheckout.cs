using MicroPlatform.Cart.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Sales;

/// <summary>A checkout that was given up; kept so that a late order for it is refused.</summary>
public sealed class GivenUpCheckout
{
    /// <summary>The checkout of Cart.</summary>
    public required Guid CheckoutId { get; init; }

    /// <summary>When Sales learned of it (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>
/// A checkout was given up while Sales did not answer. Its order, if any, is cancelled even if it is confirmed, because the customer does
/// not know of it. A redelivery finds the order cancelled and publishes the cancellation again.
/// </summary>
internal sealed class CheckoutGivenUpHandler(
    SalesDbContext db, EventBus<SalesDbContext> events, SalesTelemetry telemetry, TimeProvider time) : IHandleMessages<CheckoutGivenUp>
{
    public Task Handle(CheckoutGivenUp message) => events.ReplyAsync(async cancellationToken =>
    {
        var order = await db.GiveUpCheckoutAsync(message.CheckoutId, time.GetUtcNow(), cancellationToken);
        // A customer cannot give up an order that staff assigned to another customer.
        if (order is null or { Status: OrderStatus.Rejected } || order.CustomerId != message.CustomerId)
        {
            return Array.Empty<object>();
        }

        if (order.Cancel(time.GetUtcNow()))
        {
            await db.SaveChangesAsync(cancellationToken);
            db.OnCommitted(() => telemetry.Cancelled.Add(1));
        }

        return [order.ToCancelled()];
    });
}

/// <summary>Handles an order and the giving up of its checkout, in either sequence.</summary>
internal static class GivenUpCheckouts
{
    /// <summary>Locks the checkout until the transaction ends: the second transaction sees the change of the first.</summary>
    public static Task<int> LockCheckoutAsync(this SalesDbContext db, Guid checkoutId, CancellationToken cancellationToken) =>
        db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended({checkoutId}::text, 0))", cancellationToken);

    /// <summary>Records that no order may be placed for a checkout any more.</summary>
    /// <returns>The order that was placed before, locked; null when there is none.</returns>
    public static async Task<Order?> GiveUpCheckoutAsync(
        this SalesDbContext db, Guid checkoutId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await db.LockCheckoutAsync(checkoutId, cancellationToken);
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO given_up_checkouts (checkout_id, at) VALUES ({checkoutId}, {now}) ON CONFLICT DO NOTHING", cancellationToken);
        var order = db.Orders.Where(o => o.CheckoutId == checkoutId).Select(o => (long?)o.Id);
        return await order.SingleOrDefaultAsync(cancellationToken) is { } id
            ? await db.LockOrderAsync(id, preconditions: default, cancellationToken)
            : null;
    }
}
