namespace MicroPlatform.Cart;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    public static readonly object[] All =
    [
        new ProductResponse(
            1, "SKU-1", "Product_0", "A plain thing that does its one job well", 99.99m, new(2026, 1, 5, 9, 0, 0, TimeSpan.Zero),
            Version: 0),
        new ProductRequest { Sku = "SKU-2", Name = "Desk lamp", Description = "A warm light for long evenings", Price = 49.90m },
        new CartResponse(3, [new(3, 3, "Product_2", 199.99m, 3)], Version: 0),
        new AddCartItemRequest { ProductId = 2, Quantity = 2 },
        new UpdateCartItemRequest { Quantity = 4 },
        new CheckoutRequest { ExpectedTotal = 599.97m },
        new CheckoutResponse(3, "Pending"),
    ];
}
