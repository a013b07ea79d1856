using System.ComponentModel;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.AspNetCore.Http.HttpResults;

namespace MicroPlatform.Sales;

/// <summary>
/// Events that a service could not handle, of all services: staff see why, and retry them after the cause is fixed.
/// </summary>
internal static class DeadLettersApi
{
    public static void MapDeadLettersApi(this IEndpointRouteBuilder app)
    {
        var letters = app.MapApi("/sales/dead-letters", "Dead letters").RequireAuthorization(Policies.Staff);
        letters.MapGet("/", ListAsync).WithSummary("List the dead letters of all services");
        letters.MapPost("/{id:long}/retry", RetryAsync)
            .WithSummary("Deliver the event again to the service that could not handle it; safe to repeat");
    }

    private static async Task<Ok<Page<DeadLetter>>> ListAsync(
        [AsParameters] PageQuery page, DeadLetters<SalesDbContext> dead, CancellationToken cancellationToken) =>
        TypedResults.Ok(await dead.ListAsync(page, cancellationToken));

    private static async Task<Accepted> RetryAsync(
        [Description("The dead letter's id.")] long id, DeadLetters<SalesDbContext> dead, CancellationToken cancellationToken)
    {
        await dead.RetryAsync(id, cancellationToken);
        return TypedResults.Accepted((string?)null);
    }
}
