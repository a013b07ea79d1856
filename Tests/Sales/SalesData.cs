using MicroPlatform.Sales;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Sales;

/// <summary>Orders in states that only an answer of the warehouse causes.</summary>
internal static class SalesData
{
    /// <summary>
    /// A client of Sales. The services that Sales calls start first, so that their start does not count against the deadline of a call.
    /// </summary>
    public static HttpClient Start(TestPlatform platform)
    {
        platform.Http("customers").Dispose();
        platform.Http("warehouse").Dispose();
        return platform.Http("sales");
    }

    /// <summary>Stores an order, applies <paramref name="happen"/> to it, and returns its id.</summary>
    public static async Task<long> AddAsync(
        TestPlatform platform, long customerId, Action<Order> happen, params (long ItemId, int Quantity, decimal UnitPrice)[] lines)
    {
        await using var scope = platform.Services("sales").CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<SalesDbContext>();
        var order = new Order { CustomerId = customerId, Date = platform.Clock.GetUtcNow() };
        foreach (var (itemId, quantity, unitPrice) in lines)
        {
            order.Add($"SKU-{itemId}", itemId, quantity, unitPrice);
        }

        db.Add(order);
        await db.SaveChangesAsync(TestContext.Current.CancellationToken);
        happen(order);
        await db.SaveChangesAsync(TestContext.Current.CancellationToken);
        return order.Id;
    }
}
