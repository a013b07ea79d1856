using MicroPlatform.Customers.Events;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Cart;

/// <summary>
/// Removes the cart of a deleted customer. From then on a trigger refuses a new one. Handler and trigger take the same lock, so that no
/// cart is created in between.
/// </summary>
internal sealed class CustomerDeletedHandler(CartDbContext db, EventBus<CartDbContext> events, TimeProvider time)
    : IHandleMessages<CustomerDeleted>
{
    public Task Handle(CustomerDeleted message) => events.HandleOnceAsync("cart.remove-cart", async cancellationToken =>
    {
        var customer = message.CustomerId;
        await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended('cart', {customer}))", cancellationToken);
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO deleted_customers (customer_id, deleted_at) VALUES ({customer}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING",
            cancellationToken);
        await db.Carts.Where(cart => cart.CustomerId == customer).ExecuteDeleteAsync(cancellationToken);
    });
}
