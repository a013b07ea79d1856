using System.Diagnostics;
using System.Security.Claims;
using System.Threading.RateLimiting;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace MicroPlatform.Gateway;

/// <summary>What every call meets on its way in and out, wherever it goes: limits, identifiers, browsers' rules, compression.</summary>
internal static class Edge
{
    private static readonly string[] ReadableHeaders =
    [
        HeaderNames.ETag, HeaderNames.Location, HeaderNames.RetryAfter, HeaderNames.Allow, HeaderNames.TraceParent, RequestIds.HeaderName,
        "Deprecation", "Sunset", HeaderNames.Link,
    ];

    public static void AddEdge(this WebApplicationBuilder builder)
    {
        builder.AddSettings<CallerLimitOptions>("RateLimit");
        builder.Services.AddRateLimiter(_ => { });
        builder.Services.AddOptions<RateLimiterOptions>().Configure<IOptions<CallerLimitOptions>>((limiter, limits) =>
        {
            limiter.GlobalLimiter = PartitionedRateLimiter.CreateChained(
                PartitionedRateLimiter.Create<HttpContext, string>(context => LimitOf(context, limits.Value)),
                PartitionedRateLimiter.Create<HttpContext, string>(context =>
                    StreamLimitOf(context, CallerOf(context), limits.Value.StreamsPerCaller)),
                PartitionedRateLimiter.Create<HttpContext, string>(context => StreamLimitOf(context, "all", limits.Value.Streams)));
            limiter.AddPolicy(Routes.SignInLimit, context => SignInLimitOf(context, limits.Value));
            // Only the bucket knows when there is room again; of open streams nobody does.
            limiter.OnRejected = (rejected, _) =>
                new(rejected.HttpContext.WriteProblemAsync(rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var wait)
                ? ProblemException.TooManyRequests(
                    "You are calling faster than this platform allows; wait as long as Retry-After says.", wait)
                : ProblemException.TooManyRequests(
                    "Too many streams are open; close one, or ask for the same without /stream.", TimeSpan.FromSeconds(10))));
        });

        if (builder.GetSettings(
            "Cors:Origins", "the origin of web pages that may call, such as https://shop.example.com", IsOrigin) is { Length: > 0 } origins)
        {
            builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
                .WithOrigins(origins).AllowAnyMethod().AllowAnyHeader().WithExposedHeaders(ReadableHeaders)
                .SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
        }

        builder.TrustProxies();
        builder.Services.AddSingleton<IResponseCompressionProvider, Compression>();
        builder.Services.AddResponseCompression(options => options.EnableForHttps = true);
    }

    /// <summary>What comes before anything can fail.</summary>
    public static void UseEdge(this WebApplication app)
    {
        if (!app.Environment.IsDevelopment())
        {
            app.UseHsts();
        }

        app.Use(IdentifyAsync);
        app.UseResponseCompression();
        if (app.Configuration.GetSection("Cors:Origins").Exists())
        {
            app.Use(VaryByOriginAsync);
            app.UseCors();
        }
    }

    /// <summary>What needs to know who calls.</summary>
    public static void UseLimits(this WebApplication app)
    {
        app.UseRateLimiter();
        app.Use((context, next) => context switch
        {
            { Request.ContentLength: > ServiceDefaultsExtensions.MaxRequestBodyBytes } => throw new ProblemException(
                StatusCodes.Status413PayloadTooLarge, $"The body is larger than {ServiceDefaultsExtensions.MaxRequestBodyBytes} bytes."),
            _ when context.GetEndpoint() is null => Pages.NotFound(context, Routes.WhatThereIs(context)).ExecuteAsync(context),
            _ => next(context),
        });
    }

    /// <summary>
    /// Gives the request an id that it keeps through the platform, and tells the caller; and tells browsers to trust no page but ours.
    /// </summary>
    private static Task IdentifyAsync(HttpContext context, RequestDelegate next)
    {
        var id = RequestIds.Of(context.Request) ?? Guid.CreateVersion7().ToString("N");
        context.Request.Headers[RequestIds.HeaderName] = id;
        var activity = Activity.Current;
        activity?.SetTag("request.id", id);
        context.Response.OnStarting(() =>
        {
            var headers = context.Response.Headers;
            headers.Server = default;
            headers[RequestIds.HeaderName] = id;
            headers.TraceParent = activity?.Id;
            headers["Referrer-Policy"] = "no-referrer";
            if (headers.ContentSecurityPolicy.Count == 0)
            {
                headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
            }

            return Task.CompletedTask;
        });
        return next(context);
    }

    /// <summary>A cache must not give one origin's answer to another; the framework says so only where several origins may call.</summary>
    private static Task VaryByOriginAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.OnStarting(() =>
        {
            var headers = context.Response.Headers;
            if (!headers.GetCommaSeparatedValues(HeaderNames.Vary).Contains(HeaderNames.Origin, StringComparer.OrdinalIgnoreCase))
            {
                headers.Append(HeaderNames.Vary, HeaderNames.Origin);
            }

            return Task.CompletedTask;
        });
        return next(context);
    }

    /// <summary>A bucket of tokens for each caller: the account of a verified token, else the address.</summary>
    private static RateLimitPartition<string> LimitOf(HttpContext context, CallerLimitOptions limits) =>
        context.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal)
            ? RateLimitPartition.GetNoLimiter("")
            : RateLimitPartition.GetTokenBucketLimiter(CallerOf(context), _ => new()
            {
                TokensPerPeriod = limits.PermitsPerSecond,
                TokenLimit = limits.Burst,
                ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                QueueLimit = 0,
            });

    /// <summary>A bucket for each address, whatever token comes with the request: signing in and registering need none.</summary>
    private static RateLimitPartition<string> SignInLimitOf(HttpContext context, CallerLimitOptions limits) =>
        RateLimitPartition.GetTokenBucketLimiter(CallerAddress.Of(context), _ => new()
        {
            TokensPerPeriod = 1,
            TokenLimit = limits.SignInBurst,
            ReplenishmentPeriod = TimeSpan.FromMinutes(1) / limits.SignInsPerMinute,
            QueueLimit = 0,
        });

    private static bool IsOrigin(string text) =>
        Settings.IsUrl(text) && string.Equals(new Uri(text).GetLeftPart(UriPartial.Authority), text, StringComparison.OrdinalIgnoreCase);

    private static RateLimitPartition<string> StreamLimitOf(HttpContext context, string whose, int most) =>
        context.GetEndpoint()?.Metadata.GetMetadata<StreamMetadata>() is null
            ? RateLimitPartition.GetNoLimiter("")
            : RateLimitPartition.GetConcurrencyLimiter(whose, _ => new() { PermitLimit = most, QueueLimit = 0 });

    private static string CallerOf(HttpContext context) => context.User.FindFirstValue("sub") is { } subject
        ? $"{context.User.FindFirstValue("iss")}/{subject}"
        : CallerAddress.Of(context);

    /// <summary>
    /// Compresses what is worth it, but nothing that carries tokens: the length of what is compressed speaks of its content.
    /// And nothing with a strong entity tag: it names these very bytes (RFC 9110, 8.8.1), and what a caller reads with it is small.
    /// </summary>
    private sealed class Compression(IServiceProvider services, IOptions<ResponseCompressionOptions> options)
        : ResponseCompressionProvider(services, options)
    {
        public override bool ShouldCompressResponse(HttpContext context) =>
            !context.Response.Headers.CacheControl.ToString().Contains("no-store", StringComparison.OrdinalIgnoreCase)
            && context.Response.Headers.ETag is not [['"', ..]]
            && base.ShouldCompressResponse(context);
    }
}
