using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace MicroPlatform.ServiceDefaults;

/// <summary>OpenTelemetry traces, metrics and logs, exported over OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
public static class Telemetry
{
    /// <summary>Prefix of every activity source and meter of the platform; what is named so is exported without registration.</summary>
    public const string Prefix = "MicroPlatform.";

    // One line for what matters: a call that fails is logged where its caller is told.
    private static readonly Dictionary<string, LogLevel> LogLevels = new(StringComparer.Ordinal)
    {
        ["Default"] = LogLevel.Information,
        ["Grpc"] = LogLevel.Warning,
        ["Grpc.AspNetCore.Server.ServerCallHandler"] = LogLevel.None, // faults again, and refusals
        ["Microsoft.AspNetCore"] = LogLevel.Warning,
        ["Microsoft.AspNetCore.Http.Timeouts"] = LogLevel.Error,
        ["Microsoft.EntityFrameworkCore"] = LogLevel.Warning,
        ["Microsoft.Extensions.Diagnostics.HealthChecks"] = LogLevel.None, // a probe's answer says it, every few seconds
        ["Microsoft.Hosting.Lifetime"] = LogLevel.Warning,
        ["Polly"] = LogLevel.None, // each attempt of each call
        ["Rebus"] = LogLevel.Warning,
        ["System.Net.Http"] = LogLevel.Warning,
        ["Yarp"] = LogLevel.Warning,
        ["Yarp.ReverseProxy.Forwarder.HttpForwarder"] = LogLevel.Error,
    };

    internal static void AddTelemetry(this WebApplicationBuilder builder)
    {
        // First among the sources, so that each of the others can say otherwise.
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = LogLevels.Select(level => KeyValuePair.Create($"Logging:LogLevel:{level.Key}", (string?)level.Value.ToString())),
        });
        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });

        var telemetry = builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation()
                .AddMeter("Npgsql", Prefix + "*"))
            .WithTracing(tracing => tracing
                .AddSource(builder.Environment.ApplicationName, Prefix + "*")
                // Probes come every few seconds and say nothing in a trace.
                .AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal))
                .AddHttpClientInstrumentation()
                .AddNpgsql());

        if (!string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            telemetry.UseOtlpExporter();
        }
    }
}
