namespace MicroPlatform.Accounting;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    private static readonly DateTimeOffset Day = new(2026, 1, 5, 10, 0, 1, TimeSpan.Zero);

    public static readonly object[] All =
    [
        new TransactionResponse(1, 1, 150.00m, Day, VoidedAt: null, "order:1", Version: 0),
        new CreateTransactionRequest { OrderId = 2, Sum = 19.90m, Date = Day },
        new UpdateTransactionRequest { OrderId = 1 },
        new SummaryResponse([new("2026-01", 2, 270.00m)], 270.00m),
    ];
}
