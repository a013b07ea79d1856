using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Customers.Events;

/// <summary>A customer account was deleted: other services delete their data about it.</summary>
/// <param name="CustomerId">The customer that was deleted.</param>
[Event("customers.customer-deleted.v1", "cart")]
internal sealed record CustomerDeleted(long CustomerId);
