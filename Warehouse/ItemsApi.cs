using System.ComponentModel;
using System.Security.Claims;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Warehouse;

/// <summary>The items of the warehouse, for the back office.</summary>
internal static class ItemsApi
{
    public static void MapItemsApi(this IEndpointRouteBuilder app)
    {
        var items = app.MapApi("/warehouse/items", "Items").RequireAuthorization(Policies.Staff);
        items.MapGet("/", ListAsync).AllowStaleRead().WithSummary("List items, optionally filtered");
        items.MapPost("/", CreateAsync).WithIdempotency<WarehouseDbContext>().ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Add an item");

        var one = items.MapGroup("/{id:long}");
        one.MapGet("/", GetAsync).WithSummary("Show an item");
        // Both verbs behave the same, because old clients send PUT with only the changed fields.
        one.MapMethods("/", [HttpMethods.Put, HttpMethods.Patch], UpdateAsync)
            .WithSummary("Change an item; absent fields keep their values");
        one.MapDelete("/", DeleteAsync)
            .WithSummary("Remove an item that no order reserved or took");
    }

    private static async Task<Ok<Page<ItemResponse>>> ListAsync(
        [AsParameters] PageQuery page, [AsParameters] ItemFilter filter, WarehouseDbContext db, CancellationToken cancellationToken)
    {
        var items = db.Items.AsNoTracking();
        if (!string.IsNullOrEmpty(filter.Name))
        {
            var pattern = Paging.ContainsPattern(filter.Name);
            items = items.Where(i => EF.Functions.ILike(i.Name, pattern, @"\"));
        }

        if (!string.IsNullOrEmpty(filter.Country))
        {
            var pattern = Paging.ContainsPattern(filter.Country);
            items = items.Where(i => EF.Functions.ILike(i.CountryOfOrigin, pattern, @"\"));
        }

        if (!string.IsNullOrEmpty(filter.Search))
        {
            var pattern = Paging.ContainsPattern(filter.Search);
            items = items.Where(i => EF.Functions.ILike(i.Sku, pattern, @"\")
                || EF.Functions.ILike(i.Name, pattern, @"\")
                || EF.Functions.ILike(i.Description, pattern, @"\"));
        }

        if (filter.LowStock is { } low)
        {
            items = low ? items.Where(i => i.IsLow) : items.Where(i => !i.IsLow);
        }

        return TypedResults.Ok(await items.ToPageAsync(page, i => i.Id, ItemResponse.FromItem, i => i.Id, cancellationToken));
    }

    private static async Task<Created<ItemResponse>> CreateAsync(
        CreateItemRequest request, ClaimsPrincipal caller, WarehouseDbContext db, TimeProvider time, CancellationToken cancellationToken)
    {
        var item = new Item
        {
            Sku = request.Sku!,
            Name = request.Name!,
            Description = request.Description ?? "",
            CountryOfOrigin = request.CountryOfOrigin!,
            Price = request.Price!.Value,
        };
        if (request.Quantity is > 0 and var quantity)
        {
            item.Adjust(quantity, "Opening stock", caller.UserId(), time.GetUtcNow());
        }

        db.Add(item);
        await SaveAsync(db, cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/warehouse/items/{item.Id}", ItemResponse.Of(item));
    }

    private static async Task<Ok<ItemResponse>> GetAsync(long id, WarehouseDbContext db, CancellationToken cancellationToken) =>
        TypedResults.Ok(await db.Items.Where(i => i.Id == id).Select(ItemResponse.FromItem).SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("item", id));

    private static async Task<Ok<ItemResponse>> UpdateAsync(
        long id, UpdateItemRequest request, [AsParameters] StockServices services,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (caller, db, time) = services;
        return TypedResults.Ok(await db.InTransactionAsync(async token =>
        {
            if (request == new UpdateItemRequest())
            {
                throw ProblemException.Invalid(
                    "body", "Name at least one field to change: sku, name, description, countryOfOrigin, price, quantity.");
            }

            var item = await db.LockItemAsync(id, preconditions, token);
            item.Sku = request.Sku ?? item.Sku;
            item.Name = request.Name ?? item.Name;
            item.Description = request.Description ?? item.Description;
            item.CountryOfOrigin = request.CountryOfOrigin ?? item.CountryOfOrigin;
            item.Price = request.Price ?? item.Price;
            if (request.Quantity is { } counted && counted != item.Free)
            {
                item.Adjust(counted - item.Free, "Set to a counted quantity", caller.UserId(), time.GetUtcNow());
            }

            await SaveAsync(db, token);
            return ItemResponse.Of(item);
        }, cancellationToken));
    }

    private static async Task<NoContent> DeleteAsync(
        long id, WarehouseDbContext db, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        await db.InTransactionAsync(async token =>
        {
            var item = await db.LockItemAsync(id, preconditions, token);
            if (item.Reserved > 0 || item.Shipped > 0)
            {
                throw ProblemException.Conflict(
                    "Orders have reserved or taken pieces of this item, so it stays on record; set its quantity to 0 to stop selling it.");
            }

            db.Remove(item);
            return await db.SaveChangesAsync(token);
        }, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task SaveAsync(WarehouseDbContext db, CancellationToken cancellationToken)
    {
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException failure) when (failure.Violates(WarehouseDbContext.SkuIndex))
        {
            throw ProblemException.Conflict("There is an item with this SKU.", "sku");
        }
        catch (DbUpdateException failure) when (failure.Violates(WarehouseDbContext.NameIndex))
        {
            throw ProblemException.Conflict("There is an item with this name from this country.", "name");
        }
    }
}

/// <summary>The filters of a list of items.</summary>
internal sealed record ItemFilter
{
    [FromQuery(Name = "name"), Description("Part of the name, case-insensitive, without wildcards.")]
    public string? Name { get; init; }

    [FromQuery(Name = "country"), Description("Part of the country of origin, case-insensitive, without wildcards.")]
    public string? Country { get; init; }

    [FromQuery(Name = "search"), Description("Part of the SKU, the name or the description, case-insensitive, without wildcards.")]
    public string? Search { get; init; }

    [FromQuery(Name = "lowStock")]
    [Description("`true`: only items with 5 available pieces or fewer; `false`: only the others.")]
    public bool? LowStock { get; init; }
}

/// <summary>What a change of stock needs: the caller, the database and the clock.</summary>
internal readonly record struct StockServices(ClaimsPrincipal Caller, WarehouseDbContext Db, TimeProvider Time);
