using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The health of all services, which anyone may see.</summary>
[Trait("Speed", "slow")]
public sealed class HealthTests : IAsyncLifetime
{
    private const string Health = "/health/services";
    private const string Stream = "/health/services/stream";
    private FakePlatform behind = null!;

    public async ValueTask InitializeAsync() => behind = await FakePlatform.StartAsync();

    public ValueTask DisposeAsync() => behind.DisposeAsync();

    [Fact]
    public async Task Every_service_is_listed_with_its_state_and_without_its_address()
    {
        await using var other = await FakeService.StartAsync("sales");
        await using var gateway = GatewayHost.Start(behind, settings: ("services:sales:http:1", other.Http));
        using var http = gateway.Http();
        Assert.Equal("Ready", (await http.SendAsync("GET", Health).JsonAsync()).GetProperty("status").GetString());

        await behind["todo"].DisposeAsync();
        await other.DisposeAsync();
        behind["accounting"].Refuse(StatusCodes.Status503ServiceUnavailable);
        gateway.Clock.Advance(TimeSpan.FromSeconds(2));
        using var response = await http.SendAsync("GET", Health);
        Assert.Contains("no-cache", response.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
        Assert.DoesNotContain("localhost", text, StringComparison.Ordinal);
        Assert.Equal("Degraded", JsonDocument.Parse(text).RootElement.GetProperty("status").GetString());
        Assert.Equal(
            [
                "gateway Ready 1/1", "customers Ready 1/1", "cart Ready 1/1", "users Ready 1/1", "todo Down 0/1", "warehouse Ready 1/1",
                "accounting Unready 0/1", "sales Degraded 1/2",
            ],
            JsonDocument.Parse(text).RootElement.GetProperty("services").EnumerateArray()
                .Select(service =>
                    $"{service.GetProperty("name")} {service.GetProperty("status")} "
                        + $"{service.GetProperty("ready")}/{service.GetProperty("replicas")}"));
    }

    [Fact]
    public async Task Each_service_is_probed_once_in_two_seconds_for_all_callers_and_never_without_callers()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => http.SendAsync("GET", Health).JsonAsync()));
        Assert.Equal(1, Probes());

        gateway.Clock.Advance(TimeSpan.FromSeconds(2));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => http.SendAsync("GET", Health).JsonAsync()));
        Assert.Equal(2, Probes());

        await using (var watching = await Events.OpenAsync(http, Stream))
        {
            await watching.NextAsync();
            await Eventually.TrueAsync(() =>
            {
                gateway.Clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(Probes() > 3);
            }, "services are probed while a stream is open");
        }

        // The Gateway learns a moment later that the watcher has left; after that it sends no probe for hours.
        var (last, quiet) = (Probes(), 0);
        await Eventually.TrueAsync(() =>
        {
            (last, quiet) = (Probes(), Probes() == last ? quiet + 1 : 0);
            gateway.Clock.Advance(TimeSpan.FromHours(1));
            return Task.FromResult(quiet == 20);
        }, "services are no longer probed");

        int Probes() => behind["cart"].Requests.Count(seen => seen.Is("GET", "/health/ready"));
    }

    [Fact]
    public async Task The_stream_sends_changes_and_heartbeats_uncompressed()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        await using var events = await Events.OpenAsync(http, Stream);
        Assert.Contains("no-cache", events.Response.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(events.Response.Content.Headers.ContentEncoding, encoding => encoding is "gzip" or "br");

        var first = await events.NextAsync();
        Assert.Equal(("health", "Ready"), (first!.Value.EventType, StatusIn(first.Value.Data)));
        var second = await events.NextAsync(() => gateway.Clock.Advance(TimeSpan.FromSeconds(1)));
        Assert.Equal("heartbeat", second!.Value.EventType);

        await behind["cart"].DisposeAsync();
        var third = await events.NextExceptAsync(() => gateway.Clock.Advance(TimeSpan.FromMilliseconds(100)), "heartbeat");
        Assert.Equal(("health", "Degraded"), (third!.Value.EventType, StatusIn(third.Value.Data)));

        static string? StatusIn(string json) => JsonDocument.Parse(json).RootElement.GetProperty("status").GetString();
    }

    [Fact]
    public async Task Streams_are_limited_per_caller_and_a_refused_caller_may_still_poll()
    {
        await using var gateway = GatewayHost.Start(behind, settings: ("RateLimit:StreamsPerCaller", "2"));
        using var http = gateway.Http();
        await using (var first = await Events.OpenAsync(http, Stream))
        await using (var second = await Events.OpenAsync(http, Stream))
        {
            using var third = await Events.AskAsync(http, Stream);
            Assert.Equal((HttpStatusCode.TooManyRequests, true), (third.StatusCode, third.Headers.RetryAfter is not null));
            Assert.Contains("Too many streams", (await Task.FromResult(third).ProblemAsync()).Detail, StringComparison.Ordinal);
            await http.SendAsync("GET", Health).JsonAsync();
        }

        await Eventually.TrueAsync(async () =>
        {
            using var again = await Events.AskAsync(http, Stream);
            return again.StatusCode is HttpStatusCode.OK;
        }, "a closed stream allows another");
    }

    [Fact]
    public async Task A_Gateway_that_stops_ends_its_streams_instead_of_waiting_for_them()
    {
        var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        await using var events = await Events.OpenAsync(http, Stream);
        await events.NextAsync();
        await gateway.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Null(await events.NextAsync());
    }
}
