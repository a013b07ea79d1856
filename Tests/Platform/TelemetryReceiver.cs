using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Platform;

/// <summary>Takes what the services export over OTLP (HTTP), and counts it.</summary>
internal sealed class TelemetryReceiver : IAsyncDisposable
{
    private readonly WebApplication app;
    private int metrics;
    private int traces;

    private TelemetryReceiver(WebApplication app) => this.app = app;

    /// <summary>How many exports of metrics have arrived.</summary>
    public int Metrics => Volatile.Read(ref metrics);

    /// <summary>How many exports of spans have arrived.</summary>
    public int Traces => Volatile.Read(ref traces);

    /// <summary>The variables that make a service export to this receiver, once a second.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = app.Urls.Single(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        ["OTEL_TRACES_SAMPLER"] = "always_on", // as Aspire sets it
    };

    public static async Task<TelemetryReceiver> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new()); // the appsettings.json beside the tests belongs to a service
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        var receiver = new TelemetryReceiver(builder.Build());
        receiver.app.Urls.Add("http://127.0.0.1:0");
        receiver.app.MapPost("/v1/metrics", () => Accept(ref receiver.metrics));
        receiver.app.MapPost("/v1/traces", () => Accept(ref receiver.traces));
        await receiver.app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    // An empty answer is an empty protobuf message, which means that everything was accepted.
    private static IResult Accept(ref int count)
    {
        Interlocked.Increment(ref count);
        return Results.Bytes([], "application/x-protobuf");
    }
}
