using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Announces to callers that an endpoint will be removed, long before it is (docs/versioning.md).</summary>
public static class Deprecations
{
    private static readonly Counter<long> Calls = new Meter(Telemetry.Prefix + "Api").CreateCounter<long>(
        "microplatform.api.deprecated_calls", "{call}", "Calls of endpoints that are deprecated, by route.");

    /// <summary>
    /// Marks the endpoints as deprecated: in OpenAPI, by <c>Deprecation</c> (RFC 9745), <c>Sunset</c> (RFC 8594) and <c>Link</c> on every
    /// answer, and by a metric that counts the remaining calls.
    /// </summary>
    /// <param name="endpoints">One endpoint or a group.</param>
    /// <param name="since">The day (UTC) from which new callers should not use it.</param>
    /// <param name="sunset">The day (UTC) from which it may be removed.</param>
    /// <param name="link">The page that says what to use instead.</param>
    public static TBuilder Deprecated<TBuilder>(this TBuilder endpoints, DateOnly since, DateOnly sunset, string link)
        where TBuilder : IEndpointConventionBuilder =>
        endpoints.WithMetadata(new Deprecation(StartOf(since), StartOf(sunset), link));

    internal static void UseDeprecations(this WebApplication app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint() is RouteEndpoint endpoint && endpoint.Metadata.GetMetadata<Deprecation>() is { } deprecation)
        {
            Calls.Add(1, new KeyValuePair<string, object?>("http.route", endpoint.RoutePattern.RawText));
            // Set last, because an error resets the response headers.
            context.Response.OnStarting(() =>
            {
                var headers = context.Response.Headers;
                headers["Deprecation"] = string.Create(CultureInfo.InvariantCulture, $"@{deprecation.Since.ToUnixTimeSeconds()}");
                headers["Sunset"] = deprecation.Sunset.ToString("R", CultureInfo.InvariantCulture);
                headers.Append("Link", $"<{deprecation.Link}>; rel=\"deprecation\"");
                return Task.CompletedTask;
            });
        }

        return next(context);
    });

    private static DateTimeOffset StartOf(DateOnly day) => new(day, TimeOnly.MinValue, TimeSpan.Zero);
}

/// <summary>Since when an endpoint is deprecated, when it may be removed, and the page that says so.</summary>
internal sealed record Deprecation(DateTimeOffset Since, DateTimeOffset Sunset, string Link);
