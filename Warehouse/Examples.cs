namespace MicroPlatform.Warehouse;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    public static readonly object[] All =
    [
        new ItemResponse(1, "SKU-1", "item_1", "Description_1", "Germany", 100.00m, Quantity: 10, Reserved: 0, Version: 0),
        new CreateItemRequest
        {
            Sku = "LAMP-7",
            Name = "Desk lamp",
            Description = "Brass, 40 cm",
            CountryOfOrigin = "Portugal",
            Price = 49.90m,
            Quantity = 25,
        },
        new UpdateItemRequest { Price = 44.90m, Quantity = 24 },
        new StockAdjustmentResponse(
            4, 1, -2, 8, "Damaged in transit", new(2026, 1, 7, 9, 0, 0, TimeSpan.Zero), Guid.Parse("01900000-0000-7000-8000-000000000002")),
        new AdjustStockRequest { Delta = -2, Reason = "Damaged in transit" },
    ];
}
