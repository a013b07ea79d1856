using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Warehouse;

/// <summary>A warehouse item.</summary>
/// <param name="Id">The item's id.</param>
/// <param name="Sku">Stock-keeping unit.</param>
/// <param name="Name">Name.</param>
/// <param name="Description">Description, may be empty.</param>
/// <param name="CountryOfOrigin">Country of origin.</param>
/// <param name="Price">Unit price.</param>
/// <param name="Quantity">Pieces available for sale.</param>
/// <param name="Reserved">Pieces reserved by orders, not included in the quantity.</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record ItemResponse(
    long Id, string Sku, string Name, string Description, string CountryOfOrigin, decimal Price, long Quantity, long Reserved,
    [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of an item.</summary>
    public static readonly Expression<Func<Item, ItemResponse>> FromItem =
        i => new(i.Id, i.Sku, i.Name, i.Description, i.CountryOfOrigin, i.Price, i.Free, i.Reserved, i.Version);

    /// <summary>Maps an item that is already loaded.</summary>
    public static readonly Func<Item, ItemResponse> Of = FromItem.Compile();
}

/// <summary>A new item.</summary>
public sealed record CreateItemRequest
{

    /// <summary>Stock-keeping unit, 1 to 64 characters; unique.</summary>
    [Required, TextLength(64), NotBlank]
    public string? Sku { get; init; }

    /// <summary>Name, 1 to 200 characters; unique within a country of origin.</summary>
    [Required, TextLength(200), NotBlank]
    public string? Name { get; init; }

    /// <summary>Description, up to 2,000 characters; empty when absent.</summary>
    [TextLength(2000)]
    public string? Description { get; init; }

    /// <summary>Country of origin, 1 to 200 characters.</summary>
    [Required, TextLength(200), NotBlank]
    public string? CountryOfOrigin { get; init; }

    /// <summary>Unit price, 0.00 to 999,999.99.</summary>
    [Required, Range(typeof(decimal), "0", Prices.Max, ParseLimitsInInvariantCulture = true)]
    public decimal? Price { get; init; }

    /// <summary>Available pieces at first, 0 to 1,000,000,000; 0 when absent.</summary>
    [Range(0, Item.MaxStock)]
    public long? Quantity { get; init; }
}

/// <summary>Changes of an item, at least one field. Absent fields keep their values.</summary>
public sealed record UpdateItemRequest
{
    /// <summary>Stock-keeping unit, 1 to 64 characters; unique.</summary>
    [TextLength(64, MinimumLength = 1), NotBlank]
    public string? Sku { get; init; }

    /// <summary>Name, 1 to 200 characters; unique within a country of origin.</summary>
    [TextLength(200, MinimumLength = 1), NotBlank]
    public string? Name { get; init; }

    /// <summary>Description, up to 2,000 characters, may be empty.</summary>
    [TextLength(2000)]
    public string? Description { get; init; }

    /// <summary>Country of origin, 1 to 200 characters.</summary>
    [TextLength(200, MinimumLength = 1), NotBlank]
    public string? CountryOfOrigin { get; init; }

    /// <summary>Unit price, 0.00 to 999,999.99.</summary>
    [Range(typeof(decimal), "0", Prices.Max, ParseLimitsInInvariantCulture = true)]
    public decimal? Price { get; init; }

    /// <summary>
    /// Free pieces as counted, 0 to 1,000,000,000. The difference is noted as an adjustment; reserved pieces are not touched.
    /// Send If-Match to be refused (412) when the stock has changed since it was read.
    /// </summary>
    [Range(0, Item.MaxStock)]
    public long? Quantity { get; init; }
}

/// <summary>A stock change that no order caused.</summary>
/// <param name="Id">The adjustment's id.</param>
/// <param name="ItemId">The item.</param>
/// <param name="Delta">Pieces added; negative when removed.</param>
/// <param name="Quantity">Available pieces after the adjustment.</param>
/// <param name="Reason">The reason.</param>
/// <param name="At">When (UTC).</param>
/// <param name="By">The user who made it; null when the platform made it.</param>
public sealed record StockAdjustmentResponse(long Id, long ItemId, long Delta, long Quantity, string Reason, DateTimeOffset At, Guid? By)
{
    /// <summary>The columns that a response needs of an adjustment.</summary>
    public static readonly Expression<Func<StockAdjustment, StockAdjustmentResponse>> FromAdjustment =
        a => new(a.Id, a.ItemId, a.Delta, a.Quantity, a.Reason, a.At, a.By);

    /// <summary>Maps an adjustment that is already loaded.</summary>
    public static readonly Func<StockAdjustment, StockAdjustmentResponse> Of = FromAdjustment.Compile();
}

/// <summary>A stock adjustment.</summary>
public sealed record AdjustStockRequest : IValidatableObject
{
    /// <summary>Pieces to add, -1,000,000,000 to 1,000,000,000, not 0; negative to remove.</summary>
    [Required, Range(-Item.MaxStock, Item.MaxStock)]
    public long? Delta { get; init; }

    /// <summary>The reason, 1 to 200 characters.</summary>
    [Required, TextLength(200), NotBlank]
    public string? Reason { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Delta == 0)
        {
            yield return new("This changes nothing; send a number above or below zero.", [nameof(Delta)]);
        }
    }
}
