using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Cart;

/// <summary>Settles a checkout when its order is decided: the cart can change again, and a confirmed order empties it.</summary>
internal sealed class OrderHandlers(CartDbContext db, EventBus<CartDbContext> events, TimeProvider time)
    : IHandleMessages<OrderConfirmed>, IHandleMessages<OrderRejected>, IHandleMessages<OrderCancelled>
{
    public Task Handle(OrderConfirmed message) => SettleAsync(message.CheckoutId, empties: true);

    public Task Handle(OrderRejected message) => SettleAsync(message.CheckoutId, empties: false);

    public Task Handle(OrderCancelled message) => SettleAsync(message.CheckoutId, empties: false);

    private Task SettleAsync(Guid? checkoutId, bool empties) => checkoutId is null
        ? Task.CompletedTask
        : events.HandleOnceAsync("cart.settle-checkout", async cancellationToken =>
        {
            var open = db.Checkouts.Where(c => c.Id == checkoutId && c.SettledAt == null);
            // Every transaction locks the cart before its checkout, so that no deadlock can occur.
            if (await open.Select(c => (long?)c.CustomerId).SingleOrDefaultAsync(cancellationToken) is not { } owner
                || await db.LockCartAsync(owner, cancellationToken) is not { } cart)
            {
                return;
            }

            var now = time.GetUtcNow();
            // A checkout that was given up meanwhile does not change, nor does its cart: Sales cancels the order.
            if (await open.ExecuteUpdateAsync(checkout => checkout.SetProperty(c => c.SettledAt, now), cancellationToken) == 1)
            {
                db.Touch(cart, time); // the cart shows present prices again
                await db.SaveChangesAsync(cancellationToken);
                if (empties)
                {
                    await db.CartItems.Where(item => item.CustomerId == owner).ExecuteDeleteAsync(cancellationToken);
                }
            }
        });
}
