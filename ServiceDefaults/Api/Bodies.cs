using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Rules for the body of every REST request, checked before routing.</summary>
internal static class Bodies
{
    private const string Identity = "identity";

    /// <summary>Treats an empty body as no body, and refuses (415) every content coding and every charset but UTF-8.</summary>
    public static void UseBodyConventions(this WebApplication app) => app.Use(async (context, next) =>
    {
        if (context.IsGrpc())
        {
            await next(context);
        }
        else if (await IsEmptyAsync(context))
        {
            // Routing and binding would otherwise require a content type of an absent body.
            context.Request.ContentType = null;
            context.Features.Set<IHttpRequestBodyDetectionFeature>(NoBody.Instance);
            await next(context);
        }
        else if (context.Request.Headers.ContentEncoding is { Count: > 0 } codings
            && !codings.ToString().Equals(Identity, StringComparison.OrdinalIgnoreCase))
        {
            // RFC 9110, 15.5.16: the answer names the codings that are accepted.
            context.Response.Headers.AcceptEncoding = Identity;
            await context.WriteProblemAsync(UnsupportedMediaType());
        }
        else
        {
            RequireUtf8(context.Request);
            await next(context);
        }
    });

    private static async Task<bool> IsEmptyAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.ContentLength is { } length)
        {
            return length == 0;
        }

        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false })
        {
            return true;
        }

        // Without Content-Length only the first byte tells whether there is a body.
        request.EnableBuffering((int)ServiceDefaultsExtensions.MaxRequestBodyBytes);
        var isEmpty = await request.Body.ReadAsync(new byte[1], context.RequestAborted) == 0;
        request.Body.Position = 0;
        return isEmpty;
    }

    /// <summary>JSON is UTF-8 (RFC 8259); an unknown charset would fail later as a server error.</summary>
    private static void RequireUtf8(HttpRequest request)
    {
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out var type) && type.Charset.HasValue)
        {
            type.Charset = HeaderUtilities.RemoveQuotes(type.Charset); // the framework does not accept quotes
            if (!type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                throw UnsupportedMediaType();
            }

            request.ContentType = type.ToString();
        }
    }

    private static ProblemException UnsupportedMediaType() =>
        new(StatusCodes.Status415UnsupportedMediaType, Problems.Describe(StatusCodes.Status415UnsupportedMediaType));

    private sealed class NoBody : IHttpRequestBodyDetectionFeature
    {
        public static readonly NoBody Instance = new();

        public bool CanHaveBody => false;
    }
}
