using Grpc.Core;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Warehouse.V1;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Warehouse;

/// <summary>Gives the other services the names, prices and stock of items.</summary>
internal sealed class InventoryGrpcService(WarehouseDbContext db) : Inventory.InventoryBase
{
    private const int MaxKeys = 1000;

    [Reads]
    public override async Task<BatchGetItemsResponse> BatchGetItems(BatchGetItemsRequest request, ServerCallContext context)
    {
        if (request.Ids.Count + request.Skus.Count > MaxKeys)
        {
            throw ProblemException.Invalid(request.Ids.Count > 0 ? "ids" : "skus", $"Ask for at most {MaxKeys} items at once.");
        }

        var (ids, skus) = (request.Ids.ToArray(), request.Skus.ToArray());
        var items = await db.Items.AsNoTracking()
            .Where(i => ids.Contains(i.Id) || skus.Contains(i.Sku))
            .OrderBy(i => i.Id)
            .Select(i => new { i.Id, i.Sku, i.Name, i.Price, i.Free, i.Reserved })
            .ToListAsync(context.CancellationToken);
        return new()
        {
            Items =
            {
                items.Select(i =>
                    new V1.Item
                    {
                        Id = i.Id,
                        Sku = i.Sku,
                        Name = i.Name,
                        PriceCents = (long)(i.Price * 100),
                        Quantity = i.Free,
                        Reserved = i.Reserved,
                    })
            },
        };
    }
}
