using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Warehouse.V1;

namespace MicroPlatform.Tests.Warehouse;

public sealed class InventoryTests : IClassFixture<TestPlatform>
{
    private readonly Inventory.InventoryClient inventory;

    public InventoryTests(TestPlatform platform) => inventory = new(platform.Grpc("warehouse"));

    [Fact]
    public async Task Items_are_looked_up_by_ids_and_skus_in_one_call_each_once()
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
    public async Task Asking_for_nothing_gives_nothing() => Assert.Empty((await LookUpAsync(new())).Items);

    [Fact]
    public async Task A_thousand_may_be_asked_for_at_once_and_no_more()
    {
        Assert.Equal(3, (await LookUpAsync(new() { Ids = { Enumerable.Range(1, 1000).Select(id => (long)id) } })).Items.Count);
        var refused = await Assert.ThrowsAsync<RpcException>(() =>
            LookUpAsync(new() { Skus = { Enumerable.Range(0, 1001).Select(i => $"s{i}") } }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Equal("skus", refused.GetRpcStatus()?.GetDetail<Google.Rpc.BadRequest>()?.FieldViolations.Single().Field);
    }

    [Fact]
    public async Task A_text_that_the_database_cannot_hold_is_refused()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => LookUpAsync(new() { Skus = { "a\0b" } }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    private async Task<BatchGetItemsResponse> LookUpAsync(BatchGetItemsRequest request) =>
        await inventory.BatchGetItemsAsync(request, cancellationToken: TestContext.Current.CancellationToken);
}
