using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Sales.Events;

/// <summary>An order was placed: Warehouse reserves its goods.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Items">The ordered items; each item once.</param>
[Event("sales.order-placed.v1", "warehouse")]
internal sealed record OrderPlaced(long OrderId, IReadOnlyList<OrderedItem> Items);

/// <summary>One line of an order, named by the warehouse's id where it is known, else by SKU.</summary>
/// <param name="ItemId">The item's id, or null when the order came from the shop.</param>
/// <param name="Sku">The item's SKU, or null when the order was entered by id.</param>
/// <param name="Quantity">How many, 1 or more.</param>
internal sealed record OrderedItem(long? ItemId, string? Sku, int Quantity);

/// <summary>An order is confirmed: Warehouse ships its goods, Accounting books its sum, Cart empties the cart.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Total">What it costs.</param>
/// <param name="ConfirmedAt">When (UTC).</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-confirmed.v1", "warehouse", "accounting", "cart")]
internal sealed record OrderConfirmed(long OrderId, decimal Total, DateTimeOffset ConfirmedAt, Guid? CheckoutId);

/// <summary>An order was rejected; its cart is unchanged.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Why, in words for the customer.</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-rejected.v1", "cart")]
internal sealed record OrderRejected(long OrderId, string Reason, Guid? CheckoutId);

/// <summary>An order was cancelled: Warehouse frees its goods, Accounting voids its transaction.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-cancelled.v1", "warehouse", "accounting", "cart")]
internal sealed record OrderCancelled(long OrderId, Guid? CheckoutId);
