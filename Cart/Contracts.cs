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
/// <param name="Price">Price of one piece.</param>
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

/// <summary>A product to add, or what one becomes.</summary>
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

    /// <summary>Description, up to 2000 characters; absent means empty.</summary>
    [TextLength(MaxDescriptionLength)]
    public string? Description { get; init; }

    /// <summary>Price of one piece, 0.01 to 999999.99, with at most two decimal places.</summary>
    [Required, Range(typeof(decimal), "0.01", Prices.Max, ParseLimitsInInvariantCulture = true, ConvertValueInInvariantCulture = true)]
    public decimal? Price { get; init; }
}

/// <summary>A cart as its owner sees it, at present prices; while it is checked out, at those of the checkout.</summary>
/// <param name="CustomerId">Whose cart it is.</param>
/// <param name="Items">What is in it, in the order it was put in.</param>
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

    /// <summary>What everything in it costs.</summary>
    public decimal Total => Items.Sum(item => item.LineTotal);
}

/// <summary>A product in a cart.</summary>
/// <param name="Id">The item's id, for changing or removing it.</param>
/// <param name="ProductId">The product.</param>
/// <param name="Name">The product's name.</param>
/// <param name="UnitPrice">The product's present price, or, while the cart is checked out, that of the checkout.</param>
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

/// <summary>How many pieces of a product a cart is to hold.</summary>
public sealed record UpdateCartItemRequest
{
    /// <summary>Pieces, 1 to 5, in place of what there was.</summary>
    [Required, Range(CartItem.MinQuantity, CartItem.MaxQuantity)]
    public int? Quantity { get; init; }
}
