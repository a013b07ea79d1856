using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The conventions that all REST resources of the platform share.</summary>
public static class Api
{
    /// <summary>The prefix of every path of the first version.</summary>
    public const string Prefix = "/api/v1";

    /// <summary>The prefix of every path of a version.</summary>
    public static string PrefixOf(int version) => string.Create(CultureInfo.InvariantCulture, $"/api/v{version}");

    /// <summary>
    /// A group of endpoints for one resource, with HEAD, entity tags and strict dates.
    /// </summary>
    public static RouteGroupBuilder MapApi(this IEndpointRouteBuilder app, string resource, string tag, int version = 1) => app
        .MapGroup(PrefixOf(version) + resource)
        .WithTags(tag)
        .AnswerHead()
        .AddEndpointFilterFactory(QueryDates.Require)
        .AddEndpointFilter(ETags.Filter);

    /// <summary>
    /// Answers HEAD wherever GET is answered, except for streams, which never end. The server omits the body.
    /// </summary>
    public static TBuilder AnswerHead<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder
    {
        // This convention runs last, when the content types of the endpoint are known.
        endpoints.Finally(endpoint =>
        {
            if (endpoint.Metadata.OfType<IHttpMethodMetadata>().LastOrDefault() is { HttpMethods: [var verb] } && HttpMethods.IsGet(verb)
                && !endpoint.Metadata.OfType<IProducesResponseTypeMetadata>()
                    .Any(answer => answer.ContentTypes.Contains("text/event-stream", StringComparer.Ordinal)))
            {
                endpoint.Metadata.Add(new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head]));
            }
        });
        return endpoints;
    }

    /// <summary>Forbids caches to store the answer, because it carries tokens.</summary>
    public static RouteHandlerBuilder NoStore(this RouteHandlerBuilder endpoint) => endpoint.AddEndpointFilter(async (context, next) =>
    {
        context.HttpContext.Response.Headers.CacheControl = "no-store";
        return await next(context);
    });
}
