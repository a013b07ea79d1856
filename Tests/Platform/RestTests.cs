using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>An idle platform exports no spans, so every trace in the dashboard is of a request or an event.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class RestTests(RunningPlatform platform)
{
    private const int Services = 8;
    private const int Rounds = 20; // one second each

    [Fact]
    public async Task An_idle_platform_exports_no_spans_for_twenty_seconds_and_exports_those_of_the_next_request()
    {
        var telemetry = platform.Telemetry;
        var (seen, since) = (telemetry.Traces, telemetry.Metrics);
        await Eventually.TrueAsync(
            () =>
            {
                if (telemetry.Traces != seen)
                {
                    (seen, since) = (telemetry.Traces, telemetry.Metrics); // work of earlier tests still exports spans
                }

                return Task.FromResult(telemetry.Metrics - since >= Services * Rounds);
            },
            "the platform is idle for twenty rounds of metrics", seconds: 120);

        using var http = platform.Http();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/products").StatusAsync());
        await Eventually.TrueAsync(() => Task.FromResult(telemetry.Traces > seen), "the request is exported");
    }
}
