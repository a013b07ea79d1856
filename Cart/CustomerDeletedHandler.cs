using MicroPlatform.Customers.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Cart;

/// <summary>An account is gone: its cart goes too, and none is ever opened for it again.</summary>
internal sealed class CustomerDeletedHandler(CartDbContext db, EventBus<CartDbContext> events, TimeProvider time) : IHandleMessages<CustomerDeleted>
{
    public Task Handle(CustomerDeleted message) => events.HandleOnceAsync("cart.remove-cart", async cancellationToken =>
    {
        await db.LockCartCreationAsync(message.CustomerId, cancellationToken);
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO deleted_customers (customer_id, deleted_at) VALUES ({message.CustomerId}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING", cancellationToken);
        await db.Carts.Where(cart => cart.CustomerId == message.CustomerId).ExecuteDeleteAsync(cancellationToken);
    });
}
