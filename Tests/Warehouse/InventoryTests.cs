using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Warehouse.V1;

namespace MicroPlatform.Tests.Warehouse;

public sealed class InventoryTests : IClassFixture<TestPlatform>
{
    private readonly Inventory.InventoryClient inventory;

    public InventoryTests(TestPlatform platform) => inventory = new(platform.Grpc("warehouse"));

    [Fact]
    public async Task One_call_looks_up_items_by_ids_and_SKUs_and_returns_each_item_once()
    {
        var found = await LookUpAsync(new() { Ids = { 3, 1, 1, 999, -1 }, Skus = { "SKU-3", "SKU-2", "sku-1", "", "SKU-UNKNOWN" } });
        Assert.Equal(
            [
                new Item { Id = 1, Sku = "SKU-1", Name = "item_1", PriceCents = 10000, Quantity = 10 },
                new Item { Id = 2, Sku = "SKU-2", Name = "item_2", PriceCents = 5000, Quantity = 5 },
                new Item { Id = 3, Sku = "SKU-3", Name = "item_3", PriceCents = 7000, Quantity = 7 },
            ],
            found.Items);
    }

    [Fact]
    public async Task An_empty_request_returns_no_items() => Assert.Empty((await LookUpAsync(new())).Items);

    [Fact]
    public async Task One_call_may_request_a_thousand_items_and_no_more()
    {
        Assert.Equal(3, (await LookUpAsync(new() { Ids = { Enumerable.Range(1, 1000).Select(id => (long)id) } })).Items.Count);
        var refused = await Assert.ThrowsAsync<RpcException>(() =>
            LookUpAsync(new() { Skus = { Enumerable.Range(0, 1001).Select(i => $"s{i}") } }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Equal("skus", refused.GetRpcStatus()?.GetDetail<Google.Rpc.BadRequest>()?.FieldViolations.Single().Field);
    }

    [Fact]
    public async Task A_SKU_with_a_NUL_character_is_refused()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => LookUpAsync(new() { Skus = { "a\0b" } }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    private async Task<BatchGetItemsResponse> LookUpAsync(BatchGetItemsRequest request) =>
        await inventory.BatchGetItemsAsync(request, cancellationToken: TestContext.Current.CancellationToken);
}
