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
            var now = time.GetUtcNow();
            var owner = await db.Database.SqlQuery<long>(
                $"UPDATE checkouts SET settled_at = {now} WHERE id = {checkoutId} AND settled_at IS NULL RETURNING customer_id AS \"Value\"").ToListAsync(cancellationToken);
            if (empties && owner is [var customerId])
            {
                await db.CartItems.Where(item => item.CustomerId == customerId).ExecuteDeleteAsync(cancellationToken);
                await db.Carts.Where(cart => cart.CustomerId == customerId).ExecuteUpdateAsync(cart => cart.SetProperty(c => c.UpdatedAt, now), cancellationToken);
            }
        });
}
