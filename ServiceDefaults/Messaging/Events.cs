namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Names an event on the wire and says which services handle it; both are contract, .NET type names are not.</summary>
/// <param name="name">Publisher, what happened, version: <c>customers.customer-deleted.v1</c>.</param>
/// <param name="subscribers">The services that get it, by queue name, whether they have ever run yet or not.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class EventAttribute(string name, params string[] subscribers) : Attribute
{
    /// <summary>The name on the wire.</summary>
    public string Name { get; } = name;

    /// <summary>The queues it goes to.</summary>
    public IReadOnlyList<string> Subscribers { get; } = subscribers;
}

/// <summary>An account of the shop is gone: what others keep for it goes too.</summary>
/// <param name="CustomerId">The customer that was deleted.</param>
[Event("customers.customer-deleted.v1", "cart")]
public sealed record CustomerDeleted(long CustomerId);

/// <summary>An account of Users is gone: what others keep for it goes too.</summary>
/// <param name="UserId">The user that was deleted.</param>
[Event("users.user-deleted.v1", "todo")]
public sealed record UserDeleted(Guid UserId);

/// <summary>A checkout was given up without Sales knowing: no order is to come of it, and one that came is to be cancelled.</summary>
/// <param name="CheckoutId">The checkout.</param>
/// <param name="CustomerId">Whose cart it is.</param>
[Event("cart.checkout-given-up.v1", "sales")]
public sealed record CheckoutGivenUp(Guid CheckoutId, long CustomerId);

/// <summary>An order waits for its goods.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Items">What is wanted; each item once.</param>
[Event("sales.order-placed.v1", "warehouse")]
public sealed record OrderPlaced(long OrderId, IReadOnlyList<OrderedItem> Items);

/// <summary>One line of an order, named by the warehouse's id where it is known, else by SKU.</summary>
/// <param name="ItemId">The item's id, or null when the order came from the shop.</param>
/// <param name="Sku">The item's SKU, or null when the order was entered by id.</param>
/// <param name="Quantity">How many, 1 or more.</param>
public sealed record OrderedItem(long? ItemId, string? Sku, int Quantity);

/// <summary>The goods of an order are set aside, all of them.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Items">The warehouse's id of each item, in the order of <see cref="OrderPlaced.Items"/>.</param>
[Event("warehouse.stock-reserved.v1", "sales")]
public sealed record StockReserved(long OrderId, IReadOnlyList<long> Items);

/// <summary>The goods of an order cannot be had; none of them is set aside.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Which item and why, in words for the customer.</param>
[Event("warehouse.stock-rejected.v1", "sales")]
public sealed record StockRejected(long OrderId, string Reason);

/// <summary>An order holds: its goods go out, its sum goes into the books, its cart is done.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Total">What it costs.</param>
/// <param name="ConfirmedAt">When (UTC).</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-confirmed.v1", "warehouse", "accounting", "cart")]
public sealed record OrderConfirmed(long OrderId, decimal Total, DateTimeOffset ConfirmedAt, Guid? CheckoutId);

/// <summary>An order came to nothing; its cart is as it was.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Why, in words for the customer.</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-rejected.v1", "cart")]
public sealed record OrderRejected(long OrderId, string Reason, Guid? CheckoutId);

/// <summary>An order was taken back: its goods return, its sum leaves the books.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="CheckoutId">The checkout it came from, if it came from a cart.</param>
[Event("sales.order-cancelled.v1", "warehouse", "accounting", "cart")]
public sealed record OrderCancelled(long OrderId, Guid? CheckoutId);
