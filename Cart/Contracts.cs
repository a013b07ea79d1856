using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Cart;

/// <summary>A product of the catalogue.</summary>
/// <param name="Id">The product's id.</param>
/// <param name="Sku">The stock-keeping unit of the warehouse item it sells.</param>
/// <param name="Name">Name.</param>
/// <param name="Description">Description, may be empty.</param>
/// <param name="Price">Unit price.</param>
/// <param name="CreatedAt">When it was added to the catalogue (UTC).</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record ProductResponse(
    long Id, string Sku, string Name, string Description, decimal Price, DateTimeOffset CreatedAt,
    [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of a product.</summary>
    public static readonly Expression<Func<Product, ProductResponse>> FromProduct =
        p => new(p.Id, p.Sku, p.Name, p.Description, p.Price, p.CreatedAt, p.Version);

    /// <summary>Maps a product that is already loaded.</summary>
    public static readonly Func<Product, ProductResponse> Of = FromProduct.Compile();
}

/// <summary>A new product, or the new values of one.</summary>
public sealed record ProductRequest
{
    internal const int MaxSkuLength = 64;
    internal const int MaxNameLength = 200;
    internal const int MaxDescriptionLength = 2000;

    /// <summary>The stock-keeping unit of the warehouse item that the product sells, 1 to 64 characters.</summary>
    [Required, TextLength(MaxSkuLength), NotBlank]
    public string? Sku { get; init; }

    /// <summary>Name, 1 to 200 characters.</summary>
    [Required, TextLength(MaxNameLength), NotBlank]
    public string? Name { get; init; }

    /// <summary>Description, up to 2,000 characters; empty when absent.</summary>
    [TextLength(MaxDescriptionLength)]
    public string? Description { get; init; }

    /// <summary>Unit price, 0.01 to 999,999.99, with at most two decimal places.</summary>
    [Required, Range(typeof(decimal), "0.01", Prices.Max, ParseLimitsInInvariantCulture = true, ConvertValueInInvariantCulture = true)]
    public decimal? Price { get; init; }
}

/// <summary>A cart with current prices; during a checkout, with the prices of the checkout.</summary>
/// <param name="CustomerId">The owner's customer id.</param>
/// <param name="Items">The items, in the order in which they were added.</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record CartResponse(long CustomerId, IReadOnlyList<CartItemResponse> Items, [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of a cart.</summary>
    public static readonly Expression<Func<ShoppingCart, CartResponse>> FromCart = c => new(
        c.CustomerId,
        c.Items.OrderBy(i => i.Id).Select(i => new CartItemResponse(i.Id, i.ProductId, i.Product!.Name, i.Product.Price, i.Quantity))
            .ToList(),
        c.Version);

    /// <summary>The cart at the prices that its checkout holds.</summary>
    public CartResponse At(Checkout checkout)
    {
        return this with { Items = [.. Items.Select(Hold)] };

        CartItemResponse Hold(CartItemResponse item) =>
            checkout.Lines.Find(line => line.ProductId == item.ProductId) is { } line ? item with { UnitPrice = line.UnitPrice } : item;
    }

    /// <summary>The total of all items.</summary>
    public decimal Total => Items.Sum(item => item.LineTotal);
}

/// <summary>A product in a cart.</summary>
/// <param name="Id">The id of the item in the cart, for changing or removing it.</param>
/// <param name="ProductId">The product.</param>
/// <param name="Name">The product's name.</param>
/// <param name="UnitPrice">The product's current price; during a checkout, the price of the checkout.</param>
/// <param name="Quantity">Pieces, 1 to 5.</param>
public sealed record CartItemResponse(long Id, long ProductId, string Name, decimal UnitPrice, int Quantity)
{
    /// <summary>Unit price times quantity.</summary>
    public decimal LineTotal => UnitPrice * Quantity;
}

/// <summary>A product to put into a cart.</summary>
public sealed record AddCartItemRequest
{
    /// <summary>The product.</summary>
    [Required]
    public long? ProductId { get; init; }

    /// <summary>Pieces, 1 to 5.</summary>
    [Required, Range(CartItem.MinQuantity, CartItem.MaxQuantity)]
    public int? Quantity { get; init; }
}

/// <summary>The new quantity of a product in a cart.</summary>
public sealed record UpdateCartItemRequest
{
    /// <summary>The new quantity, 1 to 5.</summary>
    [Required, Range(CartItem.MinQuantity, CartItem.MaxQuantity)]
    public int? Quantity { get; init; }
}
