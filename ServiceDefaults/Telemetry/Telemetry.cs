using System.Diagnostics;
using System.Text.RegularExpressions;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using StatusCode = Grpc.Core.StatusCode;

namespace MicroPlatform.ServiceDefaults;

/// <summary>OpenTelemetry traces, metrics and logs, exported over OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
public static partial class Telemetry
{
    /// <summary>
    /// Prefix of every activity source and meter of the platform; a source or meter with this prefix is exported without registration.
    /// </summary>
    public const string Prefix = "MicroPlatform.";

    // A failed call is logged once, where its answer is written.
    private static readonly Dictionary<string, LogLevel> LogLevels = new(StringComparer.Ordinal)
    {
        ["Default"] = LogLevel.Information,
        ["Grpc"] = LogLevel.Warning,
        ["Grpc.AspNetCore.Server.ServerCallHandler"] = LogLevel.None, // repeats faults, and logs refusals
        ["Microsoft.AspNetCore"] = LogLevel.Warning,
        ["Microsoft.AspNetCore.Http.Timeouts"] = LogLevel.Error,
        ["Microsoft.EntityFrameworkCore"] = LogLevel.Warning,
        ["Microsoft.Extensions.Diagnostics.HealthChecks"] = LogLevel.None, // the answer to the probe contains it
        ["Microsoft.Hosting.Lifetime"] = LogLevel.Warning,
        ["Polly"] = LogLevel.None, // each attempt of each call
        ["Rebus"] = LogLevel.Warning,
        ["System.Net.Http"] = LogLevel.Warning,
        ["Yarp"] = LogLevel.Warning,
        ["Yarp.ReverseProxy.Forwarder.HttpForwarder"] = LogLevel.Error,
    };

    /// <summary>
    /// The response header that tells the Gateway a service's route; the Gateway removes it and names the trace after it.
    /// </summary>
    public const string RouteHeader = "X-Route";

    private const string CatchAll = "/{**rest}";

    internal static void AddTelemetry(this WebApplicationBuilder builder)
    {
        // The first source, so that all others override it.
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = LogLevels.Select(level => KeyValuePair.Create($"Logging:LogLevel:{level.Key}", (string?)level.Value.ToString())),
        });
        if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            return; // recording without a receiver would slow down every request
        }

        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });

        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation()
                .AddMeter("Npgsql", Prefix + "*"))
            .WithTracing(tracing => tracing
                .AddSource(builder.Environment.ApplicationName, Prefix + "*")
                .AddProcessor(new Spans())
                .AddAspNetCoreInstrumentation(options =>
                {
                    options.Filter = IsTraced;
                    options.EnrichWithHttpResponse = Describe;
                })
                .AddHttpClientInstrumentation(options => options.EnrichWithHttpRequestMessage = Describe)
                .AddNpgsql())
            .UseOtlpExporter();
    }

    /// <summary>Tells the Gateway which route the request matched.</summary>
    internal static Task SendRouteHeaderAsync(HttpContext context, RequestDelegate next)
    {
        if (!context.IsGrpc() && context.GetEndpoint() is RouteEndpoint { RoutePattern.RawText: { } route })
        {
            context.Response.OnStarting(() =>
            {
                context.Response.Headers[RouteHeader] = route;
                return Task.CompletedTask;
            });
        }

        return next(context);
    }

    // Probes and streaming pages send requests every few seconds.
    private static bool IsTraced(HttpContext context) =>
        !context.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal)
        && !context.Request.Path.StartsWithSegments("/grpc.health.v1.Health", StringComparison.Ordinal)
        && !context.Request.Path.Value!.EndsWith("/stream", StringComparison.Ordinal);

    private static void Describe(Activity activity, HttpResponse response)
    {
        var context = response.HttpContext;
        if (context.IsGrpc())
        {
            DescribeGrpc(activity, context);
            return;
        }

        if ((context.Items[RouteHeader] ?? activity.GetTagItem("http.route")) is string route)
        {
            // A call that the Gateway refused keeps the Gateway's route, without the catch-all at its end.
            route = (route.EndsWith(CatchAll, StringComparison.Ordinal) ? route[..^CatchAll.Length] : route).TrimEnd('/');
            route = route.Length > 0 ? Constraint().Replace(route, "") : "/";
            activity.DisplayName = $"{context.Request.Method} {route}";
            activity.SetTag("http.route", route);
        }

        if (activity.Status == ActivityStatusCode.Error && context.Features.Get<IExceptionHandlerFeature>() is { Error: var failure })
        {
            activity.SetStatus(ActivityStatusCode.Error, DeadLetters.ReasonOf(failure));
        }
    }

    // A failed gRPC call has HTTP status 200. As with 4xx, an error of the caller is no failure.
    private static void DescribeGrpc(Activity activity, HttpContext context)
    {
        var isAnswered = Enum.TryParse<StatusCode>(Find("grpc-status"), out var status);
        if (status is StatusCode.Unimplemented)
        {
            return; // an unknown method
        }

        activity.DisplayName = context.Request.Path.Value!.TrimStart('/');
        if (isAnswered)
        {
            activity.SetTag("rpc.grpc.status_code", (int)status);
        }

        if (status is StatusCode.Unknown or StatusCode.DeadlineExceeded or StatusCode.Internal
            or StatusCode.Unavailable or StatusCode.DataLoss)
        {
            activity.SetStatus(ActivityStatusCode.Error, Uri.UnescapeDataString(Find("grpc-message")));
        }

        string Find(string name) =>
            context.Response.Headers.TryGetValue(name, out var value)
            || context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers.TryGetValue(name, out value) == true
                ? value.ToString()
                : "";
    }

    private static void Describe(Activity activity, HttpRequestMessage request)
    {
        if (request.Content?.Headers.ContentType?.MediaType is "application/grpc")
        {
            activity.DisplayName = request.RequestUri!.AbsolutePath.TrimStart('/');
        }
    }

    // Both patterns run in linear time. The time-out is long, because exceeding it would fail the traced work.
    [GeneratedRegex("""(?<=\{\w+):[^}]+""", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Constraint();

    [GeneratedRegex(
        """^(?:\s|--[^\n]*\n)*(?<verb>[a-z]+)(?:.*?\b(?:from|into|update)\s+"?(?<table>\w+))?""",
        RegexOptions.IgnoreCase | RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Statement();

    /// <summary>Drops the spans of background work, and names the spans of SQL statements.</summary>
    private sealed class Spans : BaseProcessor<Activity>
    {
        public override void OnStart(Activity data)
        {
            // No request or message started polling, housekeeping or probes. Their failures are logged.
            // The sampler always_on (OTEL_TRACES_SAMPLER) ignores whether the parent is recorded.
            var isOwnWork = data.ParentId is null && data.Kind is ActivityKind.Internal or ActivityKind.Client;
            if (isOwnWork || data.Parent is { Recorded: false })
            {
                data.IsAllDataRequested = false;
                data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
            }
        }

        public override void OnEnd(Activity data)
        {
            if (data.GetTagItem("db.query.text") is string sql && Statement().Match(sql) is { Success: true, Groups: var groups })
            {
                data.DisplayName = $"{groups["verb"].Value.ToUpperInvariant()} {groups["table"].Value}".TrimEnd();
            }
            else if (data.Kind == ActivityKind.Client && data.GetTagItem("http.response.status_code") is >= 400 and < 500)
            {
                data.SetStatus(ActivityStatusCode.Unset);
            }
        }
    }
}
