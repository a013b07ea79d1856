using System.Net;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace MicroPlatform.Tests.Gateway;

/// <summary>Services that are down, silent, or have several replicas.</summary>
[Trait("Speed", "slow")]
public sealed class ResilienceTests : IAsyncLifetime
{
    private FakePlatform behind = null!;

    public async ValueTask InitializeAsync() => behind = await FakePlatform.StartAsync();

    public ValueTask DisposeAsync() => behind.DisposeAsync();

    [Fact]
    [Trait("Covers", "N-13")]
    public async Task A_service_that_is_down_is_503_without_its_address_and_other_services_still_answer()
    {
        await using var gateway = GatewayHost.Start(behind);
        var port = new Uri(behind["warehouse"].Http).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await behind["warehouse"].DisposeAsync();
        using var http = gateway.Http();
        foreach (var method in new[] { "GET", "POST" })
        {
            using var response = await http.SendAsync(
                method, "/api/v1/warehouse/items", method is "POST" ? new { } : null, TestTokens.User(role: "staff"));
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Equal(
                (HttpStatusCode.ServiceUnavailable, "application/problem+json"),
                (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
            Assert.True(response.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
            Assert.Contains("warehouse", text, StringComparison.Ordinal);
            Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
            Assert.DoesNotContain(port, text, StringComparison.Ordinal);
        }

        await http.SendAsync("GET", "/api/v1/sales/orders", token: TestTokens.User(role: "staff")).JsonAsync();
    }

    [Fact]
    public async Task A_service_that_is_silent_is_503_within_the_deadline()
    {
        behind["cart"].Answer = behind["cart"].StaySilentAsync;
        await using var gateway = GatewayHost.Start(behind, settings: ("Proxy:Deadline", "00:00:01"));
        using var http = gateway.Http();
        var problem = await http.SendAsync("GET", "/api/v1/products").ProblemAsync();
        Assert.Equal(
            (HttpStatusCode.ServiceUnavailable, true), (problem.Status, problem.Detail.Contains("cart", StringComparison.Ordinal)));
        await behind["cart"].CallerLeft.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Single(behind["cart"].Requests); // a slow service is not called again
    }

    [Fact]
    public async Task A_service_that_aborts_the_connection_is_503_and_a_read_is_retried_at_another_replica()
    {
        await using var other = await FakeService.StartAsync("cart");
        behind["cart"].Answer = BreakOffAsync;
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await http.SendAsync("GET", "/api/v1/products").ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.ServiceUnavailable,
            (await http.SendAsync(
                "POST", "/api/v1/carts/1/items", new { }, TestTokens.Customer("1"), ("Idempotency-Key", "k")).ProblemAsync()).Status);

        await using var twice = GatewayHost.Start(behind, settings: ("services:cart:http:1", other.Http));
        using var again = twice.Http();
        for (var i = 0; i < 10; i++)
        {
            await again.SendAsync("GET", "/api/v1/products").JsonAsync();
        }

        static Task BreakOffAsync(HttpContext context)
        {
            context.Abort();
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Replicas_share_the_calls()
    {
        await using var other = await FakeService.StartAsync("cart");
        await using var gateway = GatewayHost.Start(behind, settings: ("services:cart:http:1", other.Http));
        using var http = gateway.Http();
        await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => http.SendAsync("GET", "/api/v1/products").JsonAsync()));
        Assert.NotEmpty(behind["cart"].Requests);
        Assert.NotEmpty(other.Requests);
        Assert.Equal(60, behind["cart"].Requests.Count + other.Requests.Count);
    }

    [Fact]
    public async Task When_one_of_two_replicas_is_killed_no_read_fails()
    {
        await using var other = await FakeService.StartAsync("cart");
        await using var gateway = GatewayHost.Start(behind, settings: ("services:cart:http:1", other.Http));
        using var http = gateway.Http();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => http.SendAsync("GET", "/api/v1/products").JsonAsync()));
        await behind["cart"].DisposeAsync();
        for (var i = 0; i < 30; i++)
        {
            await http.SendAsync("GET", "/api/v1/products").JsonAsync();
        }
    }

    [Fact]
    public async Task A_dead_replica_gets_no_requests_after_its_first_failure_until_it_is_reactivated()
    {
        await using var other = await FakeService.StartAsync("cart");
        await using var gateway =
            GatewayHost.Start(behind, settings: [("services:cart:http:1", other.Http), ("Proxy:ReactivationPeriod", "00:00:05")]);
        using var http = gateway.Http();
        var address = new Uri(behind["cart"].Http);
        await behind["cart"].DisposeAsync();
        Assert.True(gateway.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("cart", out var cluster));

        // The Gateway does not send a write to another replica, so a write fails at the dead one.
        await Eventually.TrueAsync(
            async () =>
                await http.SendAsync("POST", "/api/v1/carts/1/items", new { }, TestTokens.Customer("1"))
                    .StatusAsync() is HttpStatusCode.ServiceUnavailable
                    || Available(cluster) is 1, "a write fails");
        await Eventually.TrueAsync(() => Task.FromResult(Available(cluster) is 1), "the dead replica gets no more requests");
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(
                HttpStatusCode.OK, await http.SendAsync("POST", "/api/v1/carts/1/items", new { }, TestTokens.Customer("1")).StatusAsync());
        }

        await using var back = await FakeService.StartAsync("cart", port: address.Port);
        gateway.Clock.Advance(TimeSpan.FromSeconds(5));
        await Eventually.TrueAsync(() => Task.FromResult(Available(cluster) is 2), "the replica is reactivated");
        await Eventually.TrueAsync(
            async () => await http.SendAsync("GET", "/api/v1/products").StatusAsync() is HttpStatusCode.OK && !back.Requests.IsEmpty,
            "the replica serves requests again");
    }

    [Fact]
    public async Task A_write_that_fails_at_a_dead_replica_is_not_retried_at_another()
    {
        await using var other = await FakeService.StartAsync("cart");
        await using var gateway = GatewayHost.Start(behind, settings: ("services:cart:http:1", other.Http));
        using var http = gateway.Http();
        await behind["cart"].DisposeAsync();
        var answered = 0;
        await Eventually.TrueAsync(
            async () =>
            {
                var status = await http.SendAsync("POST", "/api/v1/carts/1/items", new { quantity = 1 }, TestTokens.Customer("1"))
                    .StatusAsync();
                answered += status is HttpStatusCode.OK ? 1 : 0;
                return status is HttpStatusCode.ServiceUnavailable;
            },
            "a write fails at the dead replica");
        Assert.Equal(answered, other.Requests.Count);
    }

    [Fact]
    public async Task A_write_with_an_idempotency_key_is_retried_once_and_in_full_at_another_replica()
    {
        await using var other = await FakeService.StartAsync("cart");
        await using var gateway = GatewayHost.Start(behind, settings: ("services:cart:http:1", other.Http));
        using var http = gateway.Http();
        await behind["cart"].DisposeAsync();
        Assert.True(gateway.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("cart", out var cluster));
        var sent = 0;
        await Eventually.TrueAsync(
            async () =>
            {
                Assert.Equal(
                    HttpStatusCode.OK,
                    await http.SendAsync(
                        "POST", "/api/v1/carts/1/items", new { quantity = ++sent }, TestTokens.Customer("1"),
                        (Idempotency.HeaderName, $"key {sent}")).StatusAsync());
                return Available(cluster) is 1;
            },
            "a write fails at the dead replica");
        Assert.Equal(Enumerable.Range(1, sent).Select(i => $$"""{"quantity":{{i}}}"""), other.Requests.Select(seen => seen.Body));
    }

    [Fact]
    public async Task A_recovered_replica_answers_at_once_when_all_replicas_are_marked_dead()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        var address = new Uri(behind["cart"].Http);
        await behind["cart"].DisposeAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await http.SendAsync("GET", "/api/v1/products").StatusAsync());
        await using var back = await FakeService.StartAsync("cart", port: address.Port);
        await http.SendAsync("GET", "/api/v1/products").JsonAsync();
    }

    [Fact]
    public async Task A_service_that_moves_is_found_at_its_new_address()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        await http.SendAsync("GET", "/api/v1/products").JsonAsync();
        await using var moved = await FakeService.StartAsync("cart");
        await behind["cart"].DisposeAsync();

        var configuration = (IConfigurationRoot)gateway.Services.GetRequiredService<IConfiguration>();
        configuration["services:cart:http:0"] = moved.Http;
        configuration.Reload();
        await Eventually.TrueAsync(
            async () => await http.SendAsync("GET", "/api/v1/products").StatusAsync() is HttpStatusCode.OK, "the new address is used");
        Assert.NotEmpty(moved.Requests);
    }

    private static int Available(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Count;
}
