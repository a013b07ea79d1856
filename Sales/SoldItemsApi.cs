using MicroPlatform.ServiceDefaults;
using MicroPlatform.Warehouse.V1;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Sales;

/// <summary>What has been sold.</summary>
internal static class SoldItemsApi
{
    public static void MapSoldItemsApi(this IEndpointRouteBuilder app) =>
        app.MapApi("/sales/sold-items", "Sold items").RequireAuthorization(Policies.Staff)
        .MapGet("/", ListAsync).AllowStaleRead().WithSummary("List quantity and revenue of each item in confirmed orders");

    private static async Task<Ok<Page<SoldItemResponse>>> ListAsync(
        [AsParameters] PageQuery page, SalesDbContext db, Inventory.InventoryClient inventory, CancellationToken cancellationToken)
    {
        var sold = await db.SoldItems.AsNoTracking().Where(i => i.Quantity > 0).ToPageAsync(
            page, i => i.ItemId, i => new SoldItemResponse(i.ItemId, null, i.Quantity, i.Revenue), i => i.ItemId, cancellationToken);
        if (sold.Items.Count == 0)
        {
            return TypedResults.Ok(sold);
        }

        var lookup = await inventory.BatchGetItemsAsync(
            new() { Ids = { sold.Items.Select(i => i.ItemId) } }, cancellationToken: cancellationToken);
        var names = lookup.Items.ToDictionary(item => item.Id, item => item.Name);
        return TypedResults.Ok(sold with { Items = [.. sold.Items.Select(i => i with { Name = names.GetValueOrDefault(i.ItemId) })] });
    }
}
