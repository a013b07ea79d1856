using MicroPlatform.Cart.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Sales;

/// <summary>A checkout that was given up; kept so that an order of it which comes late is refused.</summary>
public sealed class GivenUpCheckout
{
    /// <summary>The checkout of Cart.</summary>
    public required Guid CheckoutId { get; init; }

    /// <summary>When Sales learned of it (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>
/// A checkout was given up while Sales did not answer. An order that came of it is cancelled even if it is confirmed by now: its customer
/// does not know of it. A redelivery finds the order cancelled and says so again.
/// </summary>
internal sealed class CheckoutGivenUpHandler(
    SalesDbContext db, EventBus<SalesDbContext> events, SalesTelemetry telemetry, TimeProvider time) : IHandleMessages<CheckoutGivenUp>
{
    public Task Handle(CheckoutGivenUp message) => events.ReplyAsync(async cancellationToken =>
    {
        var order = await db.GiveUpCheckoutAsync(message.CheckoutId, time.GetUtcNow(), cancellationToken);
        // One that staff gave to somebody else is no longer this customer's to give up.
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

/// <summary>An order and the giving up of its checkout, in either sequence.</summary>
internal static class GivenUpCheckouts
{
    /// <summary>Held until the transaction ends: whoever comes second sees what the first did.</summary>
    public static Task<int> LockCheckoutAsync(this SalesDbContext db, Guid checkoutId, CancellationToken cancellationToken) =>
        db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended({checkoutId}::text, 0))", cancellationToken);

    /// <summary>Notes that no order is to be placed for a checkout any more.</summary>
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
