using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Cart;

/// <summary>Something the shop sells.</summary>
public sealed class Product
{
    /// <summary>The product's id.</summary>
    public long Id { get; init; }

    /// <summary>The stock-keeping unit of the warehouse item it sells; two products may sell the same.</summary>
    public required string Sku { get; set; }

    /// <summary>Name; need not be unique.</summary>
    public required string Name { get; set; }

    /// <summary>Description, may be empty.</summary>
    public required string Description { get; set; }

    /// <summary>Price of one piece, above zero, with at most two decimal places.</summary>
    public decimal Price { get; set; }

    /// <summary>When it was added to the catalogue (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}
