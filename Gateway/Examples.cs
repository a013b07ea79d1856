namespace MicroPlatform.Gateway;

/// <summary>An example of each response body of the Gateway, shown in the API reference.</summary>
internal static class Examples
{
    private static readonly DateTimeOffset Day = new(2026, 1, 5, 10, 0, 0, TimeSpan.Zero);

    public static readonly object[] All =
    [
        new OrderOverview(
            new(1, 1, Day, "Confirmed", Reason: null, [new(1, "SKU-1", 1, 100.00m, 100.00m), new(2, "SKU-2", 1, 50.00m, 50.00m)], 150.00m),
            [new(1, "SKU-1", "item_1", Quantity: 10, Reserved: 0), new(2, "SKU-2", "item_2", Quantity: 5, Reserved: 0)],
            [new(1, 150.00m, Day.AddSeconds(1), VoidedAt: null)],
            new(1, "admin1@email.com"),
            Unavailable: []),
        new Board(
            new(Pending: 1, Confirmed: 2, Rejected: 0, Cancelled: 0), [new(new(2026, 1, 5), 1, 150.00m), new(new(2026, 1, 6), 1, 120.00m)],
            new(Unsent: 0, OldestUnsentAt: null, OldestPendingAt: Day), new([], NextCursor: null),
            new([new(2, "SKU-2", "item_2", Quantity: 5, Reserved: 0)], NextCursor: null), Unavailable: []),
    ];
}
