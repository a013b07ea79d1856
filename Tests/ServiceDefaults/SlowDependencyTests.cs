using System.Net;
using MicroPlatform.Tests.Cart;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>
/// Requests with an Idempotency-Key whose handlers call another service hold no database connection while that service is slow.
/// </summary>
[Trait("Speed", "slow")]
public sealed class SlowDependencyTests(TestPlatform platform) : IClassFixture<TestPlatform>, IAsyncDisposable
{
    private const int PoolSize = 4;
    private readonly TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int asked;

    [Fact]
    public async Task Orders_that_wait_for_the_warehouse_leave_connections_free_and_are_stored_when_it_answers()
    {
        var staff = await platform.UserTokenAsync("clerk");
        using var sales = Start("sales", "/BatchGetItems");
        var order = new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } };
        var waiting = Enumerable.Range(0, 3 * PoolSize).Select(OrderAsync).ToList();
        await AllAskAsync();
        Assert.Equal(HttpStatusCode.OK, await sales.SendAsync("GET", "/api/v1/sales/orders/1", token: staff).StatusAsync());

        gate.SetResult();
        var ids = (await Task.WhenAll(waiting)).ToHashSet();
        Assert.Equal(3 * PoolSize, ids.Count);
        // A replay calls no other service.
        Assert.Contains(await OrderAsync(0), ids);
        Assert.Equal(3 * PoolSize, asked);

        async Task<long> OrderAsync(int key)
        {
            var answer = sales.SendAsync("POST", "/api/v1/sales/orders", order, staff, ("Idempotency-Key", $"slow-{key}"));
            return (await answer.JsonAsync(HttpStatusCode.Created)).Id();
        }
    }

    [Fact]
    public async Task Products_that_wait_for_Customers_leave_connections_free_and_are_in_the_cart_when_it_answers()
    {
        var admin = await platform.CustomerTokenAsync(Accounts.Admin);
        var (owner, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        using var cart = Start("cart", "/GetCustomer");
        var waiting = Enumerable.Range(0, 3 * PoolSize).Select(i => cart.SendAsync(
            "POST", Shop.ItemsOf(owner.Id), new { productId = (i % 4) + 1, quantity = 1 }, admin, ("Idempotency-Key", $"slow-{i % 4}"))
            .StatusAsync()).ToList();
        await AllAskAsync();
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", Shop.MyCart, token: other.AccessToken).StatusAsync());

        gate.SetResult();
        // Of equal requests at once the first does the work, and the others get its answer.
        Assert.All(await Task.WhenAll(waiting), status => Assert.Equal(HttpStatusCode.Created, status));
        Assert.Equal(4, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE customer_id = $1", owner.Id));
    }

    public ValueTask DisposeAsync()
    {
        platform.OnCall = null;
        return ValueTask.CompletedTask;
    }

    private HttpClient Start(string service, string slowMethod)
    {
        platform.Http("customers").Dispose();
        platform.Http("warehouse").Dispose();
        platform.Settings[$"ConnectionStrings:{service}db"] = $"{platform.ConnectionString($"{service}db")};Maximum Pool Size={PoolSize}";
        var http = platform.Http(service);
        platform.OnCall = async (request, send) =>
        {
            if (request.RequestUri!.AbsolutePath.EndsWith(slowMethod, StringComparison.Ordinal))
            {
                Interlocked.Increment(ref asked);
                await gate.Task;
            }

            return await send();
        };
        return http;
    }

    private Task AllAskAsync() =>
        Eventually.TrueAsync(() => Task.FromResult(Volatile.Read(ref asked) == 3 * PoolSize), "all ask the slow service");
}
