using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Cart;

/// <summary>The order of a checkout is decided: the cart is free again, and empty if the order holds.</summary>
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
            // The cart before its checkout, as everywhere: whoever needs both waits, and never in a circle.
            if (await open.Select(c => (long?)c.CustomerId).SingleOrDefaultAsync(cancellationToken) is not { } owner
                || await db.LockCartAsync(owner, cancellationToken) is not { } cart)
            {
                return;
            }

            var now = time.GetUtcNow();
            // One that was given up meanwhile stays so, and its cart as it is: Sales cancels the order.
            if (await open.ExecuteUpdateAsync(checkout => checkout.SetProperty(c => c.SettledAt, now), cancellationToken) == 1)
            {
                db.Touch(cart, time); // it shows present prices again
                await db.SaveChangesAsync(cancellationToken);
                if (empties)
                {
                    await db.CartItems.Where(item => item.CustomerId == owner).ExecuteDeleteAsync(cancellationToken);
                }
            }
        });
}
