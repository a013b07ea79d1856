using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.ServiceDefaults;

namespace MicroPlatform.Tests.Budgets;

/// <summary>
/// How much memory a request allocates in the service and in the test's client. Each budget is the value measured when it was set plus
/// a quarter. All allocations of this process count, so no other test may run in it.
/// </summary>
[Collection(TraceTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class AllocationTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const int WarmUp = 300;
    private const int Requests = 300;

    [Theory]
    [InlineData("cart", "/api/v1/products/1", 48)]
    [InlineData("cart", "/api/v1/carts/me", 126)]
    [InlineData("customers", "/api/v1/customers/me", 57)]
    [InlineData("todo", "/api/v1/todos/1", 54)]
    [InlineData("warehouse", "/api/v1/warehouse/items/1", 62)]
    public async Task A_read_stays_within_its_allocation_budget(string service, string path, int mostKiB)
    {
        using var http = platform.Http(service);
        var token = service switch
        {
            "cart" or "customers" => await platform.CustomerTokenAsync("nonadmin3@email.com"),
            "todo" => await platform.UserTokenAsync("alice"),
            _ => await platform.UserTokenAsync("clerk"),
        };
        await RepeatAsync(WarmUp);

        var before = GC.GetTotalAllocatedBytes(precise: true);
        await RepeatAsync(Requests);
        var each = (GC.GetTotalAllocatedBytes(precise: true) - before) / Requests / 1024.0;

        TestContext.Current.TestOutputHelper?.WriteLine($"{each:0.0} KiB");
        Assert.InRange(each, 0, mostKiB);

        async Task RepeatAsync(int times)
        {
            for (var number = 0; number < times; number++)
            {
                await http.SendAsync("GET", path, token: token).JsonAsync();
            }
        }
    }
}
