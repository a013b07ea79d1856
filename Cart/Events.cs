using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Cart.Events;

/// <summary>A checkout was given up without Sales knowing: no order is to come of it, and one that came is to be cancelled.</summary>
/// <param name="CheckoutId">The checkout.</param>
/// <param name="CustomerId">Whose cart it is.</param>
[Event("cart.checkout-given-up.v1", "sales")]
internal sealed record CheckoutGivenUp(Guid CheckoutId, long CustomerId);
