using System.Diagnostics;
using System.Security.Claims;
using System.Threading.RateLimiting;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace MicroPlatform.Gateway;

/// <summary>Middleware for every call: limits, identifiers, browser rules and compression.</summary>
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
            // A token bucket knows when the next call may succeed; for open streams that time is unknown.
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

    /// <summary>Adds the middleware that runs first, so that it covers errors too.</summary>
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

    /// <summary>Adds the middleware that needs the authenticated caller.</summary>
    public static void UseLimits(this WebApplication app)
    {
        app.UseRateLimiter();
        app.Use((context, next) => context switch
        {
            { Request.ContentLength: > ServiceDefaultsExtensions.MaxRequestBodyBytes } => throw new ProblemException(
                StatusCodes.Status413PayloadTooLarge, $"The body is larger than {ServiceDefaultsExtensions.MaxRequestBodyBytes} bytes."),
            _ when context.GetEndpoint() is null => Pages.NotFound(context, Routes.NotFoundDetail(context)).ExecuteAsync(context),
            _ => next(context),
        });
    }

    /// <summary>
    /// Gives the request an id for the whole platform and returns it to the caller. Also sets the security headers for browsers.
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

    /// <summary>
    /// A cache must not give one origin's answer to another. The framework sends <c>Vary: Origin</c> only if several origins may call.
    /// </summary>
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

    /// <summary>One token bucket per caller: the account of a verified token, else the address.</summary>
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

    /// <summary>One token bucket per address, even for a request with a token, because signing in and registering need none.</summary>
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
    /// Does not compress answers that carry tokens, because the compressed length reveals content. Does not compress answers with a strong
    /// entity tag, because the tag identifies the exact bytes (RFC 9110, 8.8.1); these answers are small anyway.
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
