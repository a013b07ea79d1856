using Grpc.Core;
using MicroPlatform.Cart.Events;
using MicroPlatform.Sales.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Cart;

/// <summary>
/// Stores a checkout first and then places it with Sales under its own id, so that a repeat after a failure creates no second order. No
/// transaction is open during a call to Sales.
/// </summary>
internal sealed class Checkouts(CartDbContext db, EventBus<CartDbContext> events, Orders.OrdersClient orders, TimeProvider time)
{
    private const string GivenUp = "This checkout was given up; begin a new one.";

    /// <summary>Finds the checkout of this key or the open one of this cart, or begins a new one.</summary>
    /// <exception cref="ProblemException">
    /// 409 when the cart is empty, the total is another or the checkout was given up; 422 when the key was used with another total.
    /// </exception>
    public async Task<Checkout> BeginAsync(long owner, string? key, decimal? expectedTotal, CancellationToken cancellationToken)
    {
        var checkout = await db.InTransactionAsync(token => FindOrStoreAsync(owner, key, expectedTotal, token), cancellationToken);
        return checkout.GivenUpAt is null ? checkout : throw ProblemException.Conflict(GivenUp);
    }

    /// <summary>Places the order of a checkout with Sales. A repeated call for the same checkout gives the same order.</summary>
    /// <returns>The order's id.</returns>
    /// <exception cref="ProblemException">
    /// 401 when the token has expired meanwhile; 409 when Sales will not take the order, or the checkout was given up meanwhile.
    /// </exception>
    public async Task<long> PlaceAsync(Checkout checkout, string authorization, CancellationToken cancellationToken)
    {
        var request = new PlaceOrderRequest { CheckoutId = checkout.Id.ToString() };
        request.Lines.AddRange(checkout.Lines.Select(line =>
            new NewOrderLine { Sku = line.Sku, Quantity = line.Quantity, UnitPriceCents = (long)(line.UnitPrice * 100) }));
        try
        {
            var order = await orders.PlaceOrderAsync(request, As(authorization), cancellationToken: cancellationToken);
            var noted = await db.Checkouts.Where(c => c.Id == checkout.Id && c.GivenUpAt == null)
                .ExecuteUpdateAsync(c => c.SetProperty(x => x.OrderId, order.Id), cancellationToken);
            return noted == 1 ? order.Id : throw ProblemException.Conflict(GivenUp);
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.InvalidArgument)
        {
            // Sales will never accept this checkout, so it is deleted. After any other failure it stays open, because the order may exist.
            await db.Checkouts.Where(c => c.Id == checkout.Id).ExecuteDeleteAsync(cancellationToken);
            throw ProblemException.Conflict($"This cart cannot be ordered: {refusal.Status.Detail}");
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.FailedPrecondition)
        {
            throw ProblemException.Conflict("This checkout was given up, or its order was given to another customer.");
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.Unauthenticated)
        {
            throw Expired();
        }
    }

    /// <summary>
    /// Gives up the cart's last checkout; a repeated call changes nothing. Sales refuses the order from then on, or has cancelled it. If
    /// Sales does not answer, an event tells it later, so that the cart is free at once.
    /// </summary>
    /// <exception cref="ProblemException">
    /// 401 when the token has expired meanwhile; 404 when the cart was never checked out; 409 when the order is decided.
    /// </exception>
    public async Task GiveUpAsync(long owner, string authorization, CancellationToken cancellationToken)
    {
        var last = await db.Checkouts.AsNoTracking().Where(c => c.CustomerId == owner)
            .OrderBy(c => c.SettledAt != null).ThenByDescending(c => c.Id).FirstOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("checkout of cart", owner);
        if (last.GivenUpAt is not null)
        {
            return;
        }

        if (last.SettledAt is not null)
        {
            throw Decided();
        }

        // The cancellation event of Sales may have settled the checkout meanwhile, even if the answer of Sales was lost.
        var isSalesTold = await TellSalesAsync(last.Id, authorization, cancellationToken);
        if (!await GiveUpAsync(last, isSalesTold, _ => true, cancellationToken))
        {
            throw Decided();
        }
    }

    /// <summary>Gives up a checkout that Sales has not answered.</summary>
    /// <returns>Whether it is given up; false when Sales has answered meanwhile.</returns>
    public Task<bool> GiveUpUnansweredAsync(Checkout unanswered, CancellationToken cancellationToken) =>
        GiveUpAsync(unanswered, isSalesTold: false, checkout => checkout is { SettledAt: null, OrderId: null }, cancellationToken);

    private Task<bool> GiveUpAsync(
        Checkout seen, bool isSalesTold, Func<Checkout, bool> isOpen, CancellationToken cancellationToken) => events.CommitAsync(
        async (happened, token) =>
        {
            var cart = await db.LockCartAsync(seen.CustomerId, token);
            var checkout = await db.Checkouts.SingleOrDefaultAsync(c => c.Id == seen.Id, token);
            if (cart is null || checkout is null || !isOpen(checkout))
            {
                return false;
            }

            checkout.GiveUp(time.GetUtcNow());
            db.Touch(cart, time);
            await db.SaveChangesAsync(token);
            if (!isSalesTold)
            {
                happened.Add(new CheckoutGivenUp(checkout.Id, checkout.CustomerId));
            }

            return true;
        },
        cancellationToken);

    /// <returns>Whether Sales has answered that there is no order, and will be none.</returns>
    private async Task<bool> TellSalesAsync(Guid checkoutId, string authorization, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GiveUpCheckoutRequest { CheckoutId = checkoutId.ToString() };
            await orders.GiveUpCheckoutAsync(request, As(authorization), cancellationToken: cancellationToken);
            return true;
        }
        catch (RpcException silence) when (silence.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
        {
            return false;
        }
        catch (RpcException silence) when (silence.StatusCode is StatusCode.Unimplemented)
        {
            return false; // Sales still runs the previous version; the event waits for the new one
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.FailedPrecondition)
        {
            throw Decided();
        }
        catch (RpcException refusal) when (refusal.StatusCode is StatusCode.Unauthenticated)
        {
            throw Expired();
        }
    }

    private static Metadata As(string authorization) => new() { { "authorization", authorization } };

    private async Task<Checkout> FindOrStoreAsync(long owner, string? key, decimal? expectedTotal, CancellationToken cancellationToken)
    {
        // The lock lets only one of several concurrent requests begin a checkout; the others find it.
        var cart = await db.LockCartAsync(owner, cancellationToken);
        var now = time.GetUtcNow();
        var same = key is null
            ? null
            : await db.Checkouts.SingleOrDefaultAsync(
                c => c.CustomerId == owner && (c.IdempotencyKey == key || c.FoundWith.Contains(key)), cancellationToken);
        if (same is not null)
        {
            if (same.StartedAt > now - Idempotency.Lifetime)
            {
                return expectedTotal == same.ExpectedTotal || (same.FoundWith.Contains(key!) && (expectedTotal ?? same.Total) == same.Total)
                    ? same
                    : throw ProblemException.Unprocessable(
                        "This Idempotency-Key was used for a checkout with another expectedTotal; take a new key for a new checkout.");
            }

            same.Forget(key!);
        }

        var open = await db.Checkouts.SingleOrDefaultAsync(c => c.CustomerId == owner && c.SettledAt == null, cancellationToken);
        if (open is not null)
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
            .Select(i => new CheckoutLine
            {
                ProductId = i.ProductId,
                Sku = i.Product!.Sku,
                Quantity = i.Quantity,
                UnitPrice = i.Product.Price,
            })
            .ToListAsync(cancellationToken);
        if (cart is null || lines.Count == 0)
        {
            throw ProblemException.Conflict("The cart is empty.");
        }

        var checkout = new Checkout
        {
            CustomerId = owner,
            IdempotencyKey = key,
            ExpectedTotal = expectedTotal,
            Lines = lines,
            StartedAt = now,
        };
        RequireTotal(checkout, expectedTotal);
        db.Add(checkout);
        await db.SaveChangesAsync(cancellationToken);
        return checkout;
    }

    private static void RequireTotal(Checkout checkout, decimal? expected)
    {
        if (expected is not null && expected != checkout.Total)
        {
            throw ProblemException.Conflict(
                FormattableString.Invariant($"Prices have changed: the total is {checkout.Total:F2} now."), "expectedTotal");
        }
    }

    private static ProblemException Decided() =>
        ProblemException.Conflict("The order of this checkout is decided; it can no longer be given up.");

    private static ProblemException Expired() =>
        ProblemException.Unauthorized("The access token expired during the checkout; repeat it with a new one.");
}
