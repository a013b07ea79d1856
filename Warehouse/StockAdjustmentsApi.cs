using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Warehouse;

/// <summary>Changes of stock that no order caused, and their history.</summary>
internal static class StockAdjustmentsApi
{
    public static void MapStockAdjustmentsApi(this IEndpointRouteBuilder app)
    {
        var adjustments = app.MapApi("/warehouse/items/{itemId:long}/stock-adjustments", "Stock adjustments")
            .RequireAuthorization(Policies.Staff);
        adjustments.MapGet("/", ListAsync).WithSummary("List how the stock of an item was adjusted");
        adjustments.MapGet("/{id:long}", GetAsync).WithSummary("Show an adjustment");
        adjustments.MapPost("/", AdjustAsync).WithIdempotency<WarehouseDbContext>()
            .WithSummary("Adjust the stock of an item");
    }

    private static async Task<Ok<Page<StockAdjustmentResponse>>> ListAsync(
        long itemId, [AsParameters] PageQuery page, WarehouseDbContext db, CancellationToken cancellationToken) =>
        await db.Items.AnyAsync(i => i.Id == itemId, cancellationToken)
            ? TypedResults.Ok(await db.StockAdjustments.Where(a => a.ItemId == itemId)
                .ToPageAsync(page, a => a.Id, StockAdjustmentResponse.FromAdjustment, a => a.Id, cancellationToken))
            : throw ProblemException.NotFound("item", itemId);

    private static async Task<Ok<StockAdjustmentResponse>> GetAsync(
        long itemId, long id, WarehouseDbContext db, CancellationToken cancellationToken) =>
        TypedResults.Ok(await db.StockAdjustments.Where(a => a.ItemId == itemId && a.Id == id)
                .Select(StockAdjustmentResponse.FromAdjustment).SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("adjustment", id));

    private static async Task<Created<StockAdjustmentResponse>> AdjustAsync(
        long itemId, AdjustStockRequest request, [AsParameters] StockServices services,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (caller, db, time) = services;
        var adjustment = await db.InTransactionAsync(async token =>
        {
            var item = await db.LockItemAsync(itemId, preconditions, token);
            var made = item.Adjust(request.Delta!.Value, request.Reason!, caller.UserId(), time.GetUtcNow());
            await db.SaveChangesAsync(token);
            return made;
        }, cancellationToken);
        return TypedResults.Created(
            $"{Api.Prefix}/warehouse/items/{itemId}/stock-adjustments/{adjustment.Id}", StockAdjustmentResponse.Of(adjustment));
    }
}
