using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Cart.Events;

/// <summary>A checkout was given up while Sales did not answer: Sales must place no order for it, and cancel an existing one.</summary>
/// <param name="CheckoutId">The checkout.</param>
/// <param name="CustomerId">The owner's customer id.</param>
[Event("cart.checkout-given-up.v1", "sales")]
internal sealed record CheckoutGivenUp(Guid CheckoutId, long CustomerId);
