using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Warehouse.Events;

/// <summary>All goods of an order are reserved.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Items">The warehouse's id of each item, in the sequence of the order.</param>
[Event("warehouse.stock-reserved.v1", "sales")]
internal sealed record StockReserved(long OrderId, IReadOnlyList<long> Items);

/// <summary>The goods of an order are not available; none of them is reserved.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Which item and why, in words for the customer.</param>
[Event("warehouse.stock-rejected.v1", "sales")]
internal sealed record StockRejected(long OrderId, string Reason);
