using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Cart;

/// <summary>A customer's cart. Every change of its content touches this row too, so its version is the version of all of it.</summary>
public sealed class ShoppingCart
{
    /// <summary>Whose cart it is, and its key.</summary>
    public long CustomerId { get; init; }

    /// <summary>When it was first opened (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When what it shows last changed (UTC).</summary>
    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>What is in it, each product once.</summary>
    public List<CartItem> Items { get; init; } = [];

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}

/// <summary>A product in a cart, some pieces of it.</summary>
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
/// A customer whose account is gone. Without this mark, a request that was let in just before the deletion
/// could open a cart just after the deletion was handled, and nobody would ever remove it.
/// </summary>
public sealed class DeletedCustomer
{
    /// <summary>The customer that was; ids are never used again.</summary>
    public long CustomerId { get; init; }

    /// <summary>When the deletion was handled here (UTC).</summary>
    public DateTimeOffset DeletedAt { get; init; }
}
