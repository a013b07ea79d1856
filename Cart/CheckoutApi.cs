using System.ComponentModel;
using MicroPlatform.Sales.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace MicroPlatform.Cart;

/// <summary>Turns a cart into an order, and gives the checkout up while the order is not decided.</summary>
internal static class CheckoutApi
{
    private const string OwnerId = "The caller's customer id, or `me`.";

    public static void AddCheckouts(this WebApplicationBuilder builder)
    {
        builder.AddSettings<CheckoutOptions>("Checkout");
        builder.Services.AddScoped<Checkouts>();
        builder.Services.AddHostedService<CheckoutExpiry>();
        builder.AddServiceClient<Orders.OrdersClient>("sales");
    }

    public static void MapCheckoutApi(this IEndpointRouteBuilder app)
    {
        var checkout = app.MapApi("/carts/{customerId}/checkout", "Carts").RequireAuthorization(Policies.Customer)
            .ProducesProblem(StatusCodes.Status409Conflict);
        checkout.MapPost("/", CheckOutAsync)
            .WithSummary("Order the contents of the cart; supports Idempotency-Key");
        checkout.MapDelete("/", GiveUpAsync)
            .WithSummary("Cancel a pending checkout: its order is cancelled, and the cart can be changed again");
    }

    private static async Task<Accepted<CheckoutResponse>> CheckOutAsync(
        [Description(OwnerId)] string customerId, HttpContext context, Checkouts checkouts, CancellationToken cancellationToken,
        CheckoutRequest? request = null, [FromHeader(Name = Idempotency.HeaderName)] string? idempotencyKey = null)
    {
        var owner = OwnerOf(customerId, context);
        if (idempotencyKey is { Length: 0 or > Idempotency.MaxKeyLength })
        {
            throw ProblemException.Invalid(Idempotency.HeaderName, $"Send one key of 1 to {Idempotency.MaxKeyLength} characters.");
        }

        var checkout = await checkouts.BeginAsync(owner, idempotencyKey, request?.ExpectedTotal, cancellationToken);
        var orderId = checkout.OrderId ?? await checkouts.PlaceAsync(checkout, AuthorizationOf(context), cancellationToken);
        return TypedResults.Accepted($"{Api.Prefix}/sales/orders/{orderId}", new CheckoutResponse(orderId, "Pending"));
    }

    private static async Task<NoContent> GiveUpAsync(
        [Description(OwnerId)] string customerId, HttpContext context, Checkouts checkouts, CancellationToken cancellationToken)
    {
        await checkouts.GiveUpAsync(OwnerOf(customerId, context), AuthorizationOf(context), cancellationToken);
        return TypedResults.NoContent();
    }

    private static string AuthorizationOf(HttpContext context) => context.Request.Headers.Authorization.ToString();

    private static long OwnerOf(string customerId, HttpContext context)
    {
        var owner = context.User.CustomerId(customerId, "cart");
        return owner == context.User.Id()
            ? owner
            : throw ProblemException.Forbidden("Only its owner checks a cart out, or gives the checkout up.");
    }
}
