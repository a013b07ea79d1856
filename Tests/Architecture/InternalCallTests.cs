using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Health.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Gateway;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Yarp.ReverseProxy.Configuration;
using StatusCode = Grpc.Core.StatusCode;

namespace MicroPlatform.Tests.Architecture;

/// <summary>gRPC services that the Gateway does not route answer only services of the platform.</summary>
[Trait("Speed", "slow")]
public sealed class InternalCallTests : IClassFixture<TestPlatform>
{
    private const string Key = TestPlatform.InternalCallKey;
    private const string PreviousKey = "the-key-before-of-calls-between-the-services-of-tests";
    private readonly TestPlatform platform;

    public InternalCallTests(TestPlatform platform)
    {
        this.platform = platform;
        platform.Settings["InternalCalls:PreviousKey"] = PreviousKey;
    }

    public static TheoryData<string> Internal => ["customers", "warehouse", "sales"];

    /// <summary>A gRPC service is internal if the Gateway has no route to it.</summary>
    [Fact]
    public void Only_gRPC_services_without_a_Gateway_route_require_the_key()
    {
        var routed = platform.Services("gateway").GetRequiredService<IProxyConfigProvider>().GetConfig().Routes
            .Select(route => route.Match.Path!.Split('/')[1]).ToHashSet(StringComparer.Ordinal);
        var isInternal = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (var (service, method, metadata) in TestPlatform.Names.SelectMany(name => Methods(platform, name)))
        {
            isInternal[service] = !routed.Contains(service) && !service.StartsWith("grpc.", StringComparison.Ordinal);
            var requiresKey = metadata.GetMetadata<IAllowAnonymous>() is null
                && metadata.GetOrderedMetadata<IAuthorizeData>().Any(data => data.Policy is InternalCalls.Policy);
            Assert.Equal((service, method, isInternal[service]), (service, method, requiresKey));
        }

        Assert.Equal(
            ["customers.v1.TokenValidation", "sales.v1.Orders", "warehouse.v1.Inventory"],
            isInternal.Where(service => service.Value).Select(service => service.Key).Order(StringComparer.Ordinal));
        Assert.Superset(
            new HashSet<string>(["users.v1.Users", "todo.v1.Todos", "grpc.health.v1.Health"], StringComparer.Ordinal),
            isInternal.Keys.ToHashSet(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Internal))]
    [Trait("Covers", "N-02")]
    public async Task Internal_methods_refuse_calls_without_the_right_key_whatever_the_token(string service)
    {
        string?[] tokens =
        [
            null, await platform.CustomerTokenAsync("nonadmin3@email.com"), await platform.CustomerTokenAsync("admin1@email.com"),
            await platform.UserTokenAsync("admin"),
        ];
        string?[] wrong = [null, "", "wrong", Key[..^1], Key + "-", Key.ToUpperInvariant(), $"{Key},{Key}", $"Bearer {Key}", tokens[1]];
        foreach (var (name, method) in InternalMethods(service))
        {
            foreach (var key in wrong)
            {
                using var channel = platform.Grpc(service, key);
                foreach (var token in tokens)
                {
                    var refusal = await channel.CallRaw(name, method, [], token).RefusalAsync();
                    Assert.Equal((method, key, StatusCode.Unauthenticated), (method, key, refusal.Status));
                    Assert.StartsWith("Only services of this platform may call this method", refusal.Detail, StringComparison.Ordinal);
                    Assert.DoesNotContain(Key, refusal.Detail, StringComparison.Ordinal);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Internal))]
    public async Task Internal_methods_accept_the_current_and_the_previous_key(string service)
    {
        var token = await platform.CustomerTokenAsync("nonadmin3@email.com");
        foreach (var key in new[] { Key, PreviousKey })
        {
            using var channel = platform.Grpc(service, key);
            foreach (var (name, method) in InternalMethods(service))
            {
                // Not a message of any method: the service refuses it only after it has authorized the caller.
                var refusal = await channel.CallRaw(name, method, [0xFF], token).RefusalAsync();
                Assert.Equal((method, StatusCode.InvalidArgument), (method, refusal.Status));
            }
        }
    }

    [Fact]
    public async Task The_key_does_not_replace_the_customers_token_in_Sales()
    {
        using var channel = platform.Grpc("sales");
        foreach (var (name, method) in InternalMethods("sales"))
        {
            var refusal = await channel.CallRaw(name, method, []).RefusalAsync();
            Assert.Equal((method, StatusCode.Unauthenticated), (method, refusal.Status));
            Assert.Contains("access token", refusal.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Internal))]
    public async Task Health_and_reflection_need_no_key(string service)
    {
        using var channel = platform.Grpc(service, key: null);
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving,
            (await new Health.HealthClient(channel).CheckAsync(new(), cancellationToken: TestContext.Current.CancellationToken)).Status);
        Assert.Contains(Methods(platform, service), method => method.Service.StartsWith("grpc.reflection.", StringComparison.Ordinal)
            && method.Metadata.GetMetadata<IAllowAnonymous>() is not null);
    }

    /// <summary>A platform of its own, since its services have keys of their own.</summary>
    [Trait("Speed", "slow")]
    public sealed class KeyChange(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        [Theory]
        [MemberData(nameof(Internal), MemberType = typeof(InternalCallTests))]
        public async Task Replicas_one_step_apart_in_the_key_change_accept_each_others_calls(string service)
        {
            (string Key, string PreviousKey)[] steps = [(Key, ""), (Key, PreviousKey), (PreviousKey, Key), (PreviousKey, "")];
            var token = await platform.CustomerTokenAsync("nonadmin3@email.com");
            foreach (var (i, callee) in steps.Index())
            {
                await platform.StopAsync(service);
                (platform.Settings["InternalCalls:Key"], platform.Settings["InternalCalls:PreviousKey"]) = callee;
                platform.Restart(service);
                foreach (var (j, caller) in steps.Index().Where(step => Math.Abs(step.Index - i) <= 1))
                {
                    Assert.Equal((i, j, StatusCode.InvalidArgument), (i, j, await StatusAsync(caller.Key)));
                }
            }

            Assert.Equal(StatusCode.Unauthenticated, await StatusAsync(steps[0].Key));
            (platform.Settings["InternalCalls:Key"], platform.Settings["InternalCalls:PreviousKey"]) = steps[0];

            async Task<StatusCode> StatusAsync(string key)
            {
                using var channel = platform.Grpc(service, key);
                var (name, method) = InternalMethods(platform, service).First();
                return (await channel.CallRaw(name, method, [0xFF], token).RefusalAsync()).Status;
            }
        }
    }

    /// <summary>A platform of its own, where Cart, Sales and the Gateway have another key than the services that they call.</summary>
    [Trait("Speed", "slow")]
    public sealed class Mismatch(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        [Fact]
        public async Task A_refused_key_is_reported_as_unavailable_and_logged()
        {
            var logged = new LogLines();
            platform.Added = services => services.AddSingleton<ILoggerProvider>(logged);
            var (customer, clerk) = (await platform.CustomerTokenAsync("nonadmin3@email.com"), await platform.UserTokenAsync("clerk"));
            _ = platform.Services("warehouse");
            platform.Settings["InternalCalls:Key"] = PreviousKey;
            using var cart = platform.Http("cart");
            using var sales = platform.Http("sales");
            var order = new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } };
            foreach (var answer in new[]
            {
                cart.SendAsync("GET", "/api/v1/carts/me", token: customer),
                sales.SendAsync("POST", "/api/v1/sales/orders", order, clerk),
                sales.SendAsync("GET", "/api/v1/sales/sold-items", token: clerk),
            })
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, (await answer.ProblemAsync()).Status);
            }

            foreach (var service in TestPlatform.Names)
            {
                _ = platform.Services(service);
            }

            await using var gateway = GatewayHost.Start(platform, ("InternalCalls:Key", PreviousKey));
            using var http = gateway.Http();
            var overview = await http.SendAsync("GET", "/api/v1/overview/orders/1", token: clerk).JsonAsync();
            Assert.Equal(["customers", "warehouse"], overview.GetProperty("unavailable").EnumerateArray().Select(name => name.GetString()));
            Assert.All(
                ["customers.v1.TokenValidation/Validate", "customers.v1.TokenValidation/GetCustomer",
                    "warehouse.v1.Inventory/BatchGetItems"],
                method => Assert.Contains($"/{method} does not accept the setting InternalCalls:Key of this service", logged.Lines));
        }
    }

    /// <summary>A platform of its own, whose calls the test records.</summary>
    [Trait("Speed", "slow")]
    public sealed class Traffic(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        private static readonly string[] InternalCalled =
        [
            "/customers.v1.TokenValidation/GetCustomer", "/customers.v1.TokenValidation/Validate",
            "/sales.v1.Orders/PlaceOrder", "/warehouse.v1.Inventory/BatchGetItems",
        ];

        [Fact]
        public async Task Only_internal_calls_carry_the_key_and_logs_and_traces_omit_it()
        {
            var calls = new ConcurrentQueue<(string Path, string? Key)>();
            var (spans, logged) = (new ConcurrentQueue<Activity>(), new LogLines());
            foreach (var category in new[] { "Default", "Grpc", "Microsoft.AspNetCore", "System.Net.Http", "Yarp" })
            {
                platform.Settings[$"Logging:LogLevel:{category}"] = "Trace";
            }

            platform.Settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = TestPlatform.NoCollector;
            platform.Added = services => services.AddSingleton<ILoggerProvider>(logged).ConfigureOpenTelemetryTracerProvider(tracing =>
                tracing.AddProcessor(_ => new SimpleActivityExportProcessor(new Exporter(spans))));
            await using var gateway = GatewayHost.Start(platform, [.. platform.Settings.Select(setting => (setting.Key, setting.Value))]);
            platform.OnCall = (request, next) =>
            {
                var keys = request.Headers.Where(header => header.Key is InternalCalls.HeaderName).SelectMany(header => header.Value);
                calls.Enqueue((request.RequestUri!.AbsolutePath, keys.SingleOrDefault()));
                return next();
            };
            using var http = gateway.Http();
            using var channel = gateway.Channel();
            var account = await platform.RegisterAsync();
            var clerk = await platform.UserTokenAsync("clerk");

            await AskAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, account.AccessToken);
            await AskAsync("POST", "/api/v1/carts/me/checkout", body: null, account.AccessToken);
            var order = new { customerId = account.Id, items = new[] { new { itemId = 1, quantity = 1 } } };
            await AskAsync("POST", "/api/v1/sales/orders", order, clerk);
            await AskAsync("GET", "/api/v1/overview/orders/1", body: null, clerk);
            await new MicroPlatform.Users.V1.Users.UsersClient(channel).LoginAsync(
                new() { Username = "alice", Password = TestPlatform.Password },
                new Metadata { { InternalCalls.HeaderName, Key } },
                cancellationToken: TestContext.Current.CancellationToken);
            await platform.QuietAsync();

            var withKey = calls.Where(call => call.Key is not null).ToList();
            Assert.Equal(InternalCalled, withKey.Select(call => call.Path).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
            Assert.All(withKey, call => Assert.Equal(Key, call.Key));
            Assert.All(calls.Where(call => InternalCalled.Contains(call.Path, StringComparer.Ordinal)), call => Assert.NotNull(call.Key));
            Assert.Superset(
                new HashSet<string>(["/users.v1.Users/Login", "/api/v1/carts/me/items"], StringComparer.Ordinal),
                calls.Select(call => call.Path).ToHashSet(StringComparer.Ordinal));

            Assert.Contains(logged.Lines, line => line.Contains("PlaceOrder", StringComparison.Ordinal));
            Assert.DoesNotContain(logged.Lines, line => line.Contains(Key, StringComparison.Ordinal));
            await Eventually.TrueAsync(
                () => Task.FromResult(spans.Count(span => span.DisplayName is "sales.v1.Orders/PlaceOrder") > 1), "both sides are traced");
            Assert.DoesNotContain(spans, span => TextOf(span).Contains(Key, StringComparison.Ordinal));

            async Task AskAsync(string method, string path, object? body, string token)
            {
                using var response = await http.SendAsync(method, path, body, token, (InternalCalls.HeaderName, Key));
                Assert.True(response.IsSuccessStatusCode, $"{method} {path} answered {response.StatusCode}");
            }
        }

        private static string TextOf(Activity span) => JsonSerializer.Serialize(new
        {
            span.DisplayName,
            span.StatusDescription,
            Tags = span.TagObjects.Select(tag => $"{tag.Key}={tag.Value}"),
            Events = span.Events.SelectMany(happened => happened.Tags.Select(tag => $"{tag.Key}={tag.Value}")),
            span.Baggage,
            span.TraceStateString,
        });
    }

    private IEnumerable<(string Service, string Method)> InternalMethods(string service) => InternalMethods(platform, service);

    private static IEnumerable<(string Service, string Method)> InternalMethods(TestPlatform platform, string service) =>
        from method in Methods(platform, service)
        where !method.Service.StartsWith("grpc.", StringComparison.Ordinal)
        select (method.Service, method.Method);

    private static IEnumerable<(string Service, string Method, EndpointMetadataCollection Metadata)> Methods(
        TestPlatform platform, string service) =>
        from endpoint in platform.Services(service).GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints)
        let method = endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method
        where method is not null
        select (method.ServiceName, method.Name, endpoint.Metadata);

    /// <summary>Keeps what is logged, with the state and the scopes that a formatter may show.</summary>
    private sealed class LogLines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            Keep(state);
            return null;
        }

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Lines.Enqueue(formatter(state, exception));
            Keep(state);
            Keep(exception);
        }

        private void Keep<TState>(TState state) => Lines.Enqueue(
            state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(' ', pairs) : $"{state}");
    }

    private sealed class Exporter(ConcurrentQueue<Activity> exported) : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch)
        {
            foreach (var span in batch)
            {
                exported.Enqueue(span);
            }

            return ExportResult.Success;
        }
    }
}
