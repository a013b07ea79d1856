using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// Whichever process is killed while customers check out, every acknowledged checkout is settled once, and stock and books agree with
/// the orders.
/// </summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class OrderFaultTests(RunningPlatform platform)
{
    internal const int Clients = 8;

    [Theory]
    [InlineData("sales")]
    [InlineData("warehouse")]
    [InlineData("accounting")]
    [InlineData("cart")]
    [InlineData("customers")]
    [InlineData("postgres")]
    public async Task Each_checkout_is_settled_once_when_a_process_is_killed_under_load(string victim)
    {
        await using var load = await CheckoutLoad.StartAsync(platform.Http(), Clients);
        await load.AcknowledgesAsync(Clients + Random.Shared.Next(Clients));

        await platform.Engine.KillAsync(victim);
        await load.AcknowledgesAsync(2 * Clients);

        await load.StopAsync();
        await SettledOnceAsync(platform.Engine, load);
    }

    [Fact]
    public Task Concurrent_checkouts_with_one_key_make_one_order_before_and_after_it_is_decided() =>
        OneKeyOneOrderAsync(platform.Engine, platform.Http());

    internal static async Task OneKeyOneOrderAsync(AspirePlatform engine, HttpClient gateway)
    {
        await using var shop = await CheckoutLoad.StartAsync(gateway, customers: 0);
        var (customer, token) = await shop.RegisterAsync();
        await shop.FillAsync(token, product: 1);
        var answers = new List<long>();
        var key = Guid.NewGuid().ToString();
        for (var decided = false; !decided;)
        {
            // Checked before the requests, so that the last twenty follow the decision.
            decided = answers.Count > 0
                && await CountAsync(engine, "SELECT count(*) FROM orders WHERE customer_id = $1 AND status = 'Confirmed'", customer) == 1;
            answers.AddRange(await TwentyAsync());
        }

        // The old key orders nothing more, even when the cart is full again.
        await shop.FillAsync(token, product: 2);
        answers.AddRange(await TwentyAsync());
        Assert.Single(answers.Distinct());
        Assert.Equal(1, await CountAsync(engine, "SELECT count(*) FROM orders WHERE customer_id = $1", customer));

        Task<long[]> TwentyAsync() => Task.WhenAll(Enumerable.Range(0, 20).Select(_ => shop.CheckOutAsync(token, key)));
    }

    internal static async Task SettledOnceAsync(AspirePlatform engine, CheckoutLoad load)
    {
        await Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(engine.ConnectionString, TestContext.Current.CancellationToken), "the invariants hold",
            seconds: 300);

        long[] acknowledged = [.. load.Orders.Values];
        Assert.Equal(acknowledged.Length, acknowledged.Distinct().Count());
        var confirmed = await CountAsync(engine, "SELECT count(*) FROM orders WHERE id = ANY($1) AND status = 'Confirmed'", acknowledged);
        var rejected = await CountAsync(
            engine, "SELECT count(*) FROM orders WHERE id = ANY($1) AND status = 'Rejected' AND reason LIKE '%SKU-UNKNOWN%'", acknowledged);
        Assert.Equal(acknowledged.Length, confirmed + rejected);
        Assert.True(confirmed > 0 && rejected > 0, $"{confirmed} confirmed, {rejected} rejected");
        Assert.Equal(
            acknowledged.Length,
            await CountAsync(engine, "SELECT count(*) FROM orders WHERE customer_id = ANY($1)", load.Customers.ToArray()));

        await using var bus = NpgsqlDataSource.Create(engine.ConnectionString("busdb"));
        await using var dead = bus.CreateCommand("SELECT count(*) FROM messages WHERE recipient = 'dead-letters'");
        Assert.Equal(0L, await dead.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<long> CountAsync(AspirePlatform engine, string sql, object parameter)
    {
        await using var sales = NpgsqlDataSource.Create(engine.ConnectionString("salesdb"));
        await using var command = sales.CreateCommand(sql);
        command.Parameters.Add(new() { Value = parameter });
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }
}

/// <summary>The same with two replicas of each service.</summary>
[Collection(TwofoldTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class ReplicaFaultTests(TwofoldPlatform twofold)
{
    private static readonly string[] Victims = ["sales", "warehouse", "accounting", "cart", "customers"];

    [Fact]
    public Task Concurrent_checkouts_with_one_key_make_one_order_with_two_replicas_of_each_service() =>
        OrderFaultTests.OneKeyOneOrderAsync(twofold.Engine, new() { BaseAddress = twofold.Engine.GatewayHttp });

    [Fact]
    public async Task With_two_replicas_each_checkout_is_settled_once_when_one_replica_of_each_service_is_killed_under_load()
    {
        await using var load = await CheckoutLoad.StartAsync(new() { BaseAddress = twofold.Engine.GatewayHttp }, OrderFaultTests.Clients);
        var victims = await twofold.Engine.WithReachableReplicasAsync(Victims);
        Assert.NotEmpty(victims);
        foreach (var (replica, victim) in victims.Index())
        {
            await load.AcknowledgesAsync(OrderFaultTests.Clients);
            await twofold.Engine.KillAsync(victim, replica % 2);
        }

        await load.AcknowledgesAsync(OrderFaultTests.Clients);
        await load.StopAsync();
        await OrderFaultTests.SettledOnceAsync(twofold.Engine, load);
    }
}
