using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Flow;

/// <summary>A platform whose events go through a pooler that keeps no sessions.</summary>
public sealed class PoolerTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task A_checkout_whose_signals_reach_nobody_is_settled_by_looking()
    {
        var bus = new NpgsqlConnectionStringBuilder(platform.ConnectionString("busdb")) { SslMode = SslMode.Disable };
        await using var pooler = new DeafPooler(bus.Host!, bus.Port);
        (bus.Host, bus.Port) = ("127.0.0.1", pooler.Port);
        platform.Settings["ConnectionStrings:busdb"] = bus.ConnectionString;
        platform.Settings["Messaging:PollingMilliseconds"] = "200";
        string[] services = ["customers", "users", "warehouse", "accounting", "sales", "cart"];
        foreach (var service in services)
        {
            platform.Http(service).Dispose();
        }

        await platform.CheckOutAsync();
        Assert.True(pooler.Swallowed > 0, "No signal was swallowed.");
        foreach (var service in services)
        {
            await platform.StopAsync(service); // before its pooler is disposed
        }
    }
}
