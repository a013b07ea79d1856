using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Sales;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    private static readonly DateTimeOffset Day = new(2026, 1, 5, 10, 0, 0, TimeSpan.Zero);

    public static readonly object[] All =
    [
        new OrderResponse(
            1, 1, Day, OrderStatus.Confirmed, Reason: null, [new(1, "SKU-1", 1, 100.00m), new(2, "SKU-2", 1, 50.00m)],
            [new(OrderStatus.Pending, Day, Reason: null), new(OrderStatus.Confirmed, Day.AddSeconds(1), Reason: null)], Version: 0),
        new CreateOrderRequest
        {
            CustomerId = 3,
            Items = [new() { ItemId = 1, Quantity = 1 }, new() { ItemId = 2, Quantity = 2, UnitPrice = 45.00m }],
        },
        new UpdateOrderRequest { CustomerId = 4 },
        new SoldItemResponse(2, "item_2", 2, 100.00m),
        new DeadLetter(
            7, "sales.order-placed.v1", Day, "warehouse", "The database did not answer.", OrderId: 1,
            TraceId: "4bf92f3577b34da6a3ce929d0e0e4736"),
        new SalesSummary(
            new(Pending: 1, Confirmed: 2, Rejected: 0, Cancelled: 0), [new(new(2026, 1, 5), 1, 150.00m), new(new(2026, 1, 6), 1, 120.00m)],
            new(Unsent: 0, OldestUnsentAt: null, OldestPendingAt: Day)),
    ];
}
