using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The shape that every REST resource of the platform shares.</summary>
public static class Api
{
    /// <summary>The version every path starts with.</summary>
    public const string Prefix = "/api/v1";

    /// <summary>A group of endpoints for one resource, with entity tags and the error answers that any of them may give.</summary>
    public static RouteGroupBuilder MapApi(this IEndpointRouteBuilder app, string resource, string tag) => app
        .MapGroup(Prefix + resource)
        .WithTags(tag)
        .AddEndpointFilter(ETags.Filter)
        .ProducesProblem(StatusCodes.Status400BadRequest)
        .ProducesProblem(StatusCodes.Status429TooManyRequests)
        .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    /// <summary>Requires the policy for every endpoint of the group and documents what it answers to others.</summary>
    public static RouteGroupBuilder RequirePolicy(this RouteGroupBuilder group, string policy) => group
        .RequireAuthorization(policy)
        .ProducesProblem(StatusCodes.Status401Unauthorized)
        .ProducesProblem(StatusCodes.Status403Forbidden);

    /// <summary>Answers that carry tokens are not to be kept by anyone on the way.</summary>
    public static RouteHandlerBuilder NoStore(this RouteHandlerBuilder endpoint) => endpoint.AddEndpointFilter(async (context, next) =>
    {
        context.HttpContext.Response.Headers.CacheControl = "no-store";
        return await next(context);
    });
}
