using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Customers.Events;

/// <summary>An account of the shop is gone: what others keep for it goes too.</summary>
/// <param name="CustomerId">The customer that was deleted.</param>
[Event("customers.customer-deleted.v1", "cart")]
internal sealed record CustomerDeleted(long CustomerId);
