using System.ComponentModel;
using System.Security.Claims;
using Grpc.Core;
using MicroPlatform.Sales.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Cart;

/// <summary>From a cart to an order: remembered here first, then placed with Sales under the checkout's own id, so that whatever breaks in between is repeated and not doubled.</summary>
internal static class CheckoutApi
{
    public static void MapCheckoutApi(this IEndpointRouteBuilder app) =>
        app.MapApi("/carts/{customerId}/checkout", "Carts").RequirePolicy(Policies.Customer)
            .MapPost("/", CheckOutAsync)
            .ProducesProblem(StatusCodes.Status404NotFound).ProducesProblem(StatusCodes.Status409Conflict).ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Order what is in the cart; honours Idempotency-Key");

    private static async Task<Accepted<CheckoutResponse>> CheckOutAsync(
        [Description("The own customer id, or me.")] string customerId, ClaimsPrincipal caller, HttpRequest http, CartDbContext db, Orders.OrdersClient orders, TimeProvider time,
        CancellationToken cancellationToken, CheckoutRequest? request = null, [FromHeader(Name = Idempotency.HeaderName)] string? idempotencyKey = null)
    {
        var owner = caller.SelfOrAdmin(customerId, "cart");
        if (owner != caller.Id())
        {
            throw ProblemException.Forbidden("A cart is checked out only by its owner.");
        }

        if (idempotencyKey is { Length: 0 or > Idempotency.MaxKeyLength })
        {
            throw ProblemException.Invalid(Idempotency.HeaderName, $"Send one key of 1 to {Idempotency.MaxKeyLength} characters.");
        }

        var checkout = await db.InTransactionAsync(token => BeginAsync(db, owner, idempotencyKey, request?.ExpectedTotal, time.GetUtcNow(), token), cancellationToken);
        var orderId = checkout.OrderId ?? await PlaceAsync(db, checkout, orders, http.Headers.Authorization.ToString(), cancellationToken);
        return TypedResults.Accepted($"{Api.Prefix}/sales/orders/{orderId}", new CheckoutResponse(orderId, "Pending"));
    }

    /// <summary>The checkout that this key, or this cart, has already; or a new one.</summary>
    private static async Task<Checkout> BeginAsync(CartDbContext db, long owner, string? key, decimal? expectedTotal, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // The lock lets one of several checkouts at once begin; the others find it.
        var cart = await db.Carts.FromSql($"SELECT *, xmin FROM carts WHERE customer_id = {owner} FOR UPDATE").SingleOrDefaultAsync(cancellationToken);
        if (key is not null && await db.Checkouts.SingleOrDefaultAsync(c => c.CustomerId == owner && (c.IdempotencyKey == key || c.FoundWith.Contains(key)), cancellationToken) is { } same)
        {
            if (same.StartedAt > now - Idempotency.Lifetime)
            {
                return expectedTotal == same.ExpectedTotal || (same.FoundWith.Contains(key) && (expectedTotal ?? same.Total) == same.Total)
                    ? same
                    : throw ProblemException.Unprocessable("This Idempotency-Key was used for a checkout with another expectedTotal; take a new key for a new checkout.");
            }

            same.Forget(key);
        }

        if (await db.Checkouts.SingleOrDefaultAsync(c => c.CustomerId == owner && c.SettledAt == null, cancellationToken) is { } open)
        {
            RequireTotal(open, expectedTotal);
            if (key is not null)
            {
                open.FoundWith.Add(key);
                await db.SaveChangesAsync(cancellationToken);
            }

            return open;
        }

        var lines = await db.CartItems.Where(i => i.CustomerId == owner).OrderBy(i => i.Id)
            .Select(i => new CheckoutLine { Sku = i.Product!.Sku, Quantity = i.Quantity, UnitPrice = i.Product.Price })
            .ToListAsync(cancellationToken);
        if (cart is null || lines.Count == 0)
        {
            throw ProblemException.Conflict("The cart is empty.");
        }

        var checkout = new Checkout { CustomerId = owner, IdempotencyKey = key, ExpectedTotal = expectedTotal, Lines = lines, StartedAt = now };
        RequireTotal(checkout, expectedTotal);
        db.Add(checkout);
        await db.SaveChangesAsync(cancellationToken);
        return checkout;
    }

    private static void RequireTotal(Checkout checkout, decimal? expected)
    {
        if (expected is not null && expected != checkout.Total)
        {
            throw ProblemException.Conflict(FormattableString.Invariant($"Prices have changed: the total is {checkout.Total:F2} now."), "expectedTotal");
        }
    }

    private static async Task<long> PlaceAsync(CartDbContext db, Checkout checkout, Orders.OrdersClient orders, string authorization, CancellationToken cancellationToken)
    {
        var request = new PlaceOrderRequest { CheckoutId = checkout.Id.ToString() };
        request.Lines.AddRange(checkout.Lines.Select(line => new NewOrderLine { Sku = line.Sku, Quantity = line.Quantity, UnitPriceCents = (long)(line.UnitPrice * 100) }));
        try
        {
            var order = await orders.PlaceOrderAsync(request, new Metadata { { "authorization", authorization } }, cancellationToken: cancellationToken);
            await db.Checkouts.Where(c => c.Id == checkout.Id).ExecuteUpdateAsync(c => c.SetProperty(x => x.OrderId, order.Id), cancellationToken);
            return order.Id;
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.InvalidArgument)
        {
            // Sales will never take it, so it does not hold the cart. Any other failure leaves the checkout open: the order may exist.
            await db.Checkouts.Where(c => c.Id == checkout.Id).ExecuteDeleteAsync(cancellationToken);
            throw ProblemException.Conflict($"This cart cannot be ordered: {refusal.Status.Detail}");
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.FailedPrecondition)
        {
            throw ProblemException.Conflict("The order of this checkout was given to another customer.");
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.Unauthenticated)
        {
            throw ProblemException.Unauthorized("The access token expired during the checkout; repeat it with a new one.");
        }
    }
}
