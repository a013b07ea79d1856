using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Cart;

/// <summary>Products and carts made for one test.</summary>
internal static class Shop
{
    public const string Products = "/api/v1/products";
    public const string MyCart = "/api/v1/carts/me";
    public const string MyItems = MyCart + "/items";

    public static string CartOf(long customerId) => $"/api/v1/carts/{customerId}";

    public static string ItemsOf(long customerId) => CartOf(customerId) + "/items";

    /// <summary>Adds a product as a shop admin does.</summary>
    public static async Task<long> AddProductAsync(this TestPlatform platform, decimal price = 9.99m, string? name = null)
    {
        using var http = platform.Http("cart");
        var product = await http.SendAsync(
            "POST", Products, new { sku = "SKU-TEST", name = name ?? $"Product {Guid.NewGuid():N}", description = "", price },
            await platform.CustomerTokenAsync(Accounts.Admin))
            .JsonAsync(HttpStatusCode.Created);
        return product.Id();
    }

    /// <summary>Puts a product into a cart and returns the item's id.</summary>
    public static async Task<long> AddItemAsync(this HttpClient cart, Account account, long productId, int quantity = 1) =>
        (await cart.SendAsync("POST", MyItems, new { productId, quantity }, account.AccessToken).JsonAsync(HttpStatusCode.Created))
            .GetProperty("items").EnumerateArray().Single(item => item.GetProperty("productId").GetInt64() == productId).Id();

    /// <summary>The entity tag of the account's own cart.</summary>
    public static async Task<string> CartTagAsync(this HttpClient cart, Account account)
    {
        using var response = await cart.SendAsync("GET", MyCart, token: account.AccessToken);
        return response.Headers.ETag!.Tag;
    }

    public static long Id(this JsonElement json) => json.GetProperty("id").GetInt64();

    /// <summary>A number exactly as it was written.</summary>
    public static string Raw(this JsonElement json, string property) => json.GetProperty(property).GetRawText();
}
