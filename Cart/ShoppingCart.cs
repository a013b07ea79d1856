using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Cart;

/// <summary>A customer's cart. Every change of its content updates this row too, so its version covers the whole cart.</summary>
public sealed class ShoppingCart
{
    /// <summary>Whose cart it is, and its key.</summary>
    public long CustomerId { get; init; }

    /// <summary>When it was first opened (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its content, or the name or price of a product in it, last changed (UTC).</summary>
    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>The items in it, each product once.</summary>
    public List<CartItem> Items { get; init; } = [];

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}

/// <summary>A product in a cart, with the number of pieces.</summary>
public sealed class CartItem
{
    /// <summary>The fewest pieces of a product.</summary>
    public const int MinQuantity = 1;

    /// <summary>The most pieces of a product in one cart.</summary>
    public const int MaxQuantity = 5;

    /// <summary>The item's id.</summary>
    public long Id { get; init; }

    /// <summary>Whose cart it is in.</summary>
    public long CustomerId { get; init; }

    /// <summary>The product.</summary>
    public long ProductId { get; init; }

    /// <summary>The product, for reading its name and its present price.</summary>
    public Product? Product { get; init; }

    /// <summary>Pieces, 1 to 5.</summary>
    public int Quantity { get; set; }

    /// <summary>When it was put in (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>
/// A customer whose account is deleted. Without this row, a request that was authorized just before the deletion could create a cart just
/// after the deletion was handled, and nothing would remove that cart.
/// </summary>
public sealed class DeletedCustomer
{
    /// <summary>The id of the deleted customer; ids are never reused.</summary>
    public long CustomerId { get; init; }

    /// <summary>When the deletion was handled here (UTC).</summary>
    public DateTimeOffset DeletedAt { get; init; }
}
