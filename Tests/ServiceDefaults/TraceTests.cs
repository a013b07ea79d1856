using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Grpc.Health.V1;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Gateway;
using MicroPlatform.Tests.Users;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Trace;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using StatusCode = Grpc.Core.StatusCode;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>These tests see all spans of this process, so no other test may run in it.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TraceTestGroup
{
    public const string Name = "Traces";
}

/// <summary>Services and the Gateway export only traces of requests and events, named after them.</summary>
[Collection(TraceTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class TraceTests : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private readonly TestPlatform platform;
    private readonly ConcurrentQueue<Activity> exported = new();
    private GatewayHost gateway = null!;

    public TraceTests(TestPlatform platform)
    {
        this.platform = platform;
        platform.Settings["Messaging:PollingMilliseconds"] = "20";
        platform.Settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = TestPlatform.NoCollector;
        platform.Added = services => services.ConfigureOpenTelemetryTracerProvider(tracing =>
            tracing.AddProcessor(_ => new SimpleActivityExportProcessor(new Exporter(exported))));
    }

    public async ValueTask InitializeAsync()
    {
        gateway = GatewayHost.Start(platform, ("OTEL_EXPORTER_OTLP_ENDPOINT", TestPlatform.NoCollector));
        await platform.UserTokenAsync("clerk");
    }

    public ValueTask DisposeAsync() => gateway.DisposeAsync();

    [Fact]
    public async Task Polling_and_probing_export_no_spans()
    {
        using var http = gateway.Http();
        await using var health = await Events.OpenAsync(http, "/health/services/stream", token: null);
        await using var board = await Events.OpenAsync(http, "/api/v1/overview/board/stream", await platform.UserTokenAsync("clerk"));
        // Waits for earlier spans, because a span ends a little after the caller has its answer.
        await http.SendAsync("GET", "/api/v1/products").JsonAsync();
        await Eventually.TrueAsync(
            () => Task.FromResult(exported.Count(span => "/api/v1/products".Equals(span.GetTagItem("url.path"))) == 2),
            "the spans of the request have ended");
        await platform.QuietAsync();
        exported.Clear();
        var before = await PolledAsync();
        await Eventually.TrueAsync(async () =>
        {
            platform.Clock.Advance(TimeSpan.FromSeconds(2)); // the streams poll again
            foreach (var service in TestPlatform.Names)
            {
                using var probe = platform.Http(service);
                Assert.Equal(HttpStatusCode.OK, await probe.SendAsync("GET", "/health/ready").StatusAsync());
                Assert.Equal(HttpStatusCode.OK, await probe.SendAsync("GET", "/health/live").StatusAsync());
            }

            using var todo = platform.Grpc("todo");
            await new Health.HealthClient(todo).CheckAsync(new(), cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/health/ready").StatusAsync());
            return await PolledAsync() > before + 500;
        }, "the services have looked for events 500 times", seconds: 60);
        Assert.Empty(exported.Select(span => $"{span.Source.Name}: {span.DisplayName}"));
    }

    [Fact]
    public async Task A_request_is_named_after_its_route()
    {
        using var http = gateway.Http();
        var account = await platform.RegisterAsync();
        exported.Clear();
        await http.SendAsync("GET", $"/api/v1/carts/{account.Id}", token: account.AccessToken).JsonAsync();
        Assert.Equal("GET /api/v1/carts/{customerId}", (await RootAsync($"/api/v1/carts/{account.Id}")).DisplayName);
        var servers = exported.Where(span => span.Kind == ActivityKind.Server).Select(span => span.DisplayName).ToList();
        Assert.Contains("customers.v1.TokenValidation/Validate", servers);
        Assert.Contains(exported, span => span.Source.Name is "Npgsql" && span.DisplayName is "SELECT carts" or "SELECT cart_items");

        exported.Clear();
        Assert.Equal(HttpStatusCode.NotFound, await http.SendAsync("GET", "/api/v1/products/999999").StatusAsync());
        var missing = await RootAsync("/api/v1/products/999999");
        Assert.Equal(("GET /api/v1/products/{id}", ActivityStatusCode.Unset), (missing.DisplayName, missing.Status));
        Assert.DoesNotContain(exported, span => span.TraceId == missing.TraceId && span.Status == ActivityStatusCode.Error);

        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("DELETE", "/api/v1/carts/1").StatusAsync());
        Assert.Equal("DELETE /api/v1/carts/{id}", (await RootAsync("/api/v1/carts/1")).DisplayName);
    }

    [Fact]
    public async Task A_response_does_not_disclose_the_route()
    {
        using var http = gateway.Http();
        using var response = await http.SendAsync("GET", "/api/v1/products/1");
        Assert.False(response.Headers.Contains("X-Route"));
    }

    [Fact]
    public async Task A_gRPC_call_is_named_after_its_method()
    {
        using var channel = gateway.Channel();
        var me = As((await platform.NewUserAsync()).AccessToken);
        exported.Clear();
        await new TodosClient(channel).CreateAsync(new() { Title = "traced", Text = "" }, me);
        Assert.Equal("todo.v1.Todos/Create", (await RootAsync("/todo.v1.Todos/Create")).DisplayName);
        Assert.Equal(2, exported.Count(span => span.Kind == ActivityKind.Server && span.DisplayName is "todo.v1.Todos/Create"));
        Assert.Contains(exported, span => span.DisplayName is "INSERT todos");

        Assert.Equal(StatusCode.NotFound, (await new TodosClient(channel).GetAsync(new() { Id = 999_999 }, me).RefusalAsync()).Status);
        var refused = await RootAsync("/todo.v1.Todos/Get");
        Assert.Equal(("todo.v1.Todos/Get", ActivityStatusCode.Unset), (refused.DisplayName, refused.Status));
    }

    [Fact]
    public async Task A_checkout_is_one_trace_with_spans_named_after_its_events()
    {
        using var http = gateway.Http();
        var account = await platform.RegisterAsync();
        await http.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, account.AccessToken)
            .JsonAsync(HttpStatusCode.Created);
        await http.SendAsync("POST", $"/api/v1/carts/{account.Id}/checkout", token: account.AccessToken).JsonAsync(HttpStatusCode.Accepted);
        await Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken), "the order is settled",
            seconds: 60);
        await platform.QuietAsync();
        await Eventually.TrueAsync(
            () => Task.FromResult(exported.Count(span => span.DisplayName is "process sales.order-confirmed.v1") == 3),
            "three services handle the confirmation");

        var root = await RootAsync($"/api/v1/carts/{account.Id}/checkout");
        Assert.Equal("POST /api/v1/carts/{customerId}/checkout", root.DisplayName);
        var trace = exported.Where(span => span.TraceId == root.TraceId).ToList();
        var names = trace.Select(span => span.DisplayName).ToHashSet(StringComparer.Ordinal);
        Assert.Superset(new HashSet<string>(
        [
            "sales.v1.Orders/PlaceOrder", "INSERT orders", "publish sales.order-placed.v1", "process sales.order-placed.v1",
            "process warehouse.stock-reserved.v1", "publish sales.order-confirmed.v1", "INSERT transactions",
        ], StringComparer.Ordinal), names);
        Assert.DoesNotContain(trace, span => span.Status == ActivityStatusCode.Error);
    }

    [Fact]
    public async Task A_failed_request_has_an_error_span_with_the_reason()
    {
        using var http = gateway.Http();
        await platform.StopAsync("warehouse");
        try
        {
            Assert.Equal(
                HttpStatusCode.ServiceUnavailable,
                await http.SendAsync("GET", "/api/v1/warehouse/items", token: await platform.UserTokenAsync("clerk")).StatusAsync());
            var refused = await RootAsync("/api/v1/warehouse/items");
            Assert.Equal(("GET /api/v1/warehouse/items", ActivityStatusCode.Error), (refused.DisplayName, refused.Status));
            Assert.StartsWith("warehouse: ", refused.StatusDescription, StringComparison.Ordinal);

            Assert.Equal(
                HttpStatusCode.ServiceUnavailable,
                await http.SendAsync("GET", "/api/v1/sales/sold-items", token: await platform.UserTokenAsync("clerk")).StatusAsync());
            var failed = await RootAsync("/api/v1/sales/sold-items");
            Assert.Equal(("GET /api/v1/sales/sold-items", ActivityStatusCode.Error), (failed.DisplayName, failed.Status));
            // The service's own span ends after its answer, perhaps after the Gateway's.
            await Eventually.TrueAsync(
                () => Task.FromResult(exported.Any(span =>
                    span.Kind == ActivityKind.Server
                        && span.Status == ActivityStatusCode.Error
                        && span.StatusDescription?.Contains("Exception: ", StringComparison.Ordinal) == true)),
                "the service's span has the reason");
        }
        finally
        {
            platform.Restart("warehouse");
        }
    }

    /// <summary>The first span of the trace, which ends a moment after its answer has arrived.</summary>
    private async Task<Activity> RootAsync(string path)
    {
        Activity? root = null;
        await Eventually.TrueAsync(
            () => Task.FromResult((root = exported.FirstOrDefault(span =>
                span.ParentId is null && path.Equals(span.GetTagItem("url.path")))) is not null), "the trace is complete");
        return root!;
    }

    private async Task<long> PolledAsync()
    {
        var name = new NpgsqlConnectionStringBuilder(platform.ConnectionString("busdb")).Database!;
        return await platform.QueryAsync<long>("busdb", "SELECT xact_commit FROM pg_stat_database WHERE datname = $1", name);
    }

    private sealed class Exporter(ConcurrentQueue<Activity> exported) : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch)
        {
            foreach (var span in batch)
            {
                // Each service of this process exports every span, so duplicates are skipped.
                if (!exported.Contains(span))
                {
                    exported.Enqueue(span);
                }
            }

            return ExportResult.Success;
        }
    }
}
