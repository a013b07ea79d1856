using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Flow;

/// <summary>The metrics of orders and events, and a service that waits for its lost database.</summary>
[Trait("Speed", "slow")]
public sealed class FlowTelemetryTests(TestPlatform platform) : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private HttpClient cart = null!;

    public async ValueTask InitializeAsync()
    {
        platform.Settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = TestPlatform.NoCollector;
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting", "sales" })
        {
            platform.Http(service).Dispose();
        }

        cart = platform.Http("cart");
        // Waits for events of other tests, which must not be measured here.
        await platform.QuietAsync();
    }

    public ValueTask DisposeAsync()
    {
        cart.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task One_trace_goes_from_the_checkout_request_to_the_posted_transaction()
    {
        var (trace, seen) = (ActivityTraceId.CreateRandom(), new ConcurrentQueue<Activity>());
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (activity.TraceId == trace)
                {
                    seen.Enqueue(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await CheckOutAsync(productId: 1, ("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01"));
        await SettledAsync();

        await Eventually.TrueAsync(
            () => Task.FromResult(seen.Any(activity => Statement(activity).Contains("INSERT INTO transactions", StringComparison.Ordinal))),
            "the trace includes the posted transaction");
        Assert.Contains(
            seen, activity => activity.Kind == ActivityKind.Server && activity.DisplayName.Contains("/checkout", StringComparison.Ordinal));
        Assert.Contains(seen, activity => Statement(activity).Contains("INSERT INTO orders", StringComparison.Ordinal));
        foreach (var (step, queue) in new[]
        {
            ("sales.order-placed.v1", "warehouse"), ("warehouse.stock-reserved.v1", "sales"), ("sales.order-confirmed.v1", "accounting"),
            ("sales.order-confirmed.v1", "cart")
        })
        {
            await Eventually.TrueAsync(
                () => Task.FromResult(seen.Any(activity =>
                    string.Equals(activity.DisplayName, $"process {step}", StringComparison.Ordinal)
                        && queue.Equals(activity.GetTagItem("messaging.destination.name")))), $"{queue} handles {step} in the trace");
        }

        static string Statement(Activity activity) => activity.GetTagItem("db.query.text") as string ?? "";
    }

    [Fact]
    public async Task Orders_revenue_and_handled_events_are_counted()
    {
        using var measured = new Measured(platform, "sales", "warehouse", "accounting");
        await CheckOutAsync(productId: 2);
        await CheckOutAsync(productId: 4);
        await SettledAsync();
        foreach (var (queue, events) in new[] { ("accounting", 1), ("warehouse", 3), ("sales", 2) })
        {
            await Eventually.TrueAsync(
                () => Task.FromResult(measured.Sum("microplatform.messaging.handled", queue) == events),
                $"{queue} has handled {events} events");
        }

        Assert.Equal(2, measured.Sum("sales.orders.placed"));
        Assert.Equal(1, measured.Sum("sales.orders.confirmed"));
        Assert.Equal(1, measured.Sum("sales.orders.rejected"));
        Assert.Equal(149.99, measured.Sum("sales.revenue"), 3);
        Assert.Equal(149.99, measured.Sum("accounting.revenue"), 3);
        Assert.Equal(0, measured.Sum("microplatform.messaging.failures"));
    }

    [Fact]
    public async Task A_blocked_outbox_reports_the_lag_of_its_events()
    {
        using var measured = new Measured(platform, "sales", "warehouse", "accounting");
        await using (var bus = await platform.Db("busdb"))
        await using (var jam = await bus.BeginTransactionAsync(TestContext.Current.CancellationToken))
        {
            await using var command = new NpgsqlCommand("LOCK TABLE messages IN SHARE MODE", bus);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            await CheckOutAsync(productId: 1);
            await Eventually.TrueAsync(
                () => Task.FromResult(measured.Now("microplatform.messaging.outbox.lag", "sales") > 0.5), "the lag grows");
        }

        await SettledAsync();
        // An event leaves the outbox a moment after it reaches its queue.
        await Eventually.TrueAsync(
            () => Task.FromResult(measured.Now("microplatform.messaging.outbox.lag", "sales") is 0), "the lag is zero");
    }

    [Fact]
    public async Task A_service_that_cannot_reach_its_database_defers_events_and_handles_them_when_it_can()
    {
        using var measured = new Measured(platform, "accounting");
        var books = new NpgsqlConnectionStringBuilder(platform.ConnectionString("accountingdb")).Database;
        await using var server = await platform.Db("salesdb");
        await ExecuteAsync($"ALTER DATABASE {books} ALLOW_CONNECTIONS false");
        await ExecuteAsync($"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{books}'");
        await using (var ours = new NpgsqlConnection(platform.ConnectionString("accountingdb")))
        {
            NpgsqlConnection.ClearPool(ours); // the tests' own connections were ended too
        }

        await ExecuteAsync($"ALTER DATABASE {books} RENAME TO {books}_away");
        await ExecuteAsync($"ALTER DATABASE {books}_away ALLOW_CONNECTIONS true");
        await CheckOutAsync(productId: 1);
        await Eventually.TrueAsync(
            () => Task.FromResult(measured.Sum("microplatform.messaging.retries", "accounting") > 0), "the event is deferred", seconds: 60);
        await ExecuteAsync($"ALTER DATABASE {books}_away RENAME TO {books}");
        await SettledAsync();
        Assert.Equal(0, measured.Sum("microplatform.messaging.dead_letters"));
        Assert.Equal(0, await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages WHERE recipient = 'dead-letters'"));

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, server);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    private async Task CheckOutAsync(long productId, params (string Name, string Value)[] headers)
    {
        using var customers = platform.Http("customers");
        var email = $"{Guid.NewGuid():N}@example.com";
        await customers.SendAsync("POST", "/api/v1/customers", new { email, password = TestPlatform.Password })
            .JsonAsync(HttpStatusCode.Created);
        var token = await platform.CustomerTokenAsync(email);
        await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId, quantity = 1 }, token).JsonAsync(HttpStatusCode.Created);
        await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: token, headers: headers).JsonAsync(HttpStatusCode.Accepted);
    }

    private Task SettledAsync() =>
        Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken),
            "the orders are settled", seconds: 60);
}
