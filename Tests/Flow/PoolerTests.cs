using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Flow;

/// <summary>A platform whose events go through a pooler that keeps no sessions.</summary>
[Trait("Speed", "slow")]
public sealed class PoolerTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task A_checkout_whose_notifications_are_dropped_is_settled_by_polling()
    {
        var bus = new NpgsqlConnectionStringBuilder(platform.ConnectionString("busdb")) { SslMode = SslMode.Disable };
        await using var pooler = new NotificationDroppingPooler(bus.Host!, bus.Port);
        (bus.Host, bus.Port) = ("127.0.0.1", pooler.Port);
        platform.Settings["ConnectionStrings:busdb"] = bus.ConnectionString;
        platform.Settings["Messaging:PollingMilliseconds"] = "200";
        string[] services = ["customers", "users", "warehouse", "accounting", "sales", "cart"];
        foreach (var service in services)
        {
            platform.Http(service).Dispose();
        }

        await platform.CheckOutAsync();
        Assert.True(pooler.Dropped > 0, "No notification was dropped.");
        foreach (var service in services)
        {
            await platform.StopAsync(service); // before its pooler is disposed
        }
    }
}
