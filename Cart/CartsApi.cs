using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace MicroPlatform.Cart;

/// <summary>Carts: customers use only their own cart, shop admins use all carts.</summary>
internal static class CartsApi
{
    // PostgreSQL's invalid transaction id: no row has this version.
    private const uint NotOpened = 0;

    private static readonly Func<CartDbContext, long, CancellationToken, Task<CartResponse?>> ReadAsync = EF.CompileAsyncQuery(
        (CartDbContext db, long owner, CancellationToken _) =>
            db.Carts.Where(c => c.CustomerId == owner).Select(CartResponse.FromCart).SingleOrDefault());

    private static readonly Func<CartDbContext, long, CancellationToken, Task<Checkout?>> ReadCheckoutAsync = EF.CompileAsyncQuery(
        (CartDbContext db, long owner, CancellationToken _) =>
            db.Checkouts.AsNoTracking().SingleOrDefault(c => c.CustomerId == owner && c.SettledAt == null));

    public static void MapCartsApi(this IEndpointRouteBuilder app)
    {
        var carts = app.MapApi("/carts/{customerId}", "Carts").RequireAuthorization(Policies.Customer);
        carts.MapGet("/", GetAsync)
            .WithSummary("Show a cart, empty if it does not exist yet; during a checkout, with the prices of the checkout");
        carts.MapDelete("/", ClearAsync).WithSummary("Empty a cart");
        carts.MapPost("/items", AddItemAsync).WithIdempotency<CartDbContext>()
            .WithSummary("Add a product to a cart; creates the cart if needed");
        carts.MapPatch("/items/{itemId:long}", UpdateItemAsync).WithSummary("Set the quantity of a product in a cart");
        carts.MapDelete("/items/{itemId:long}", RemoveItemAsync).WithSummary("Remove a product from a cart");
    }

    /// <summary>Locks the cart until the transaction ends, so that only one writer at a time changes it.</summary>
    public static Task<ShoppingCart?> LockCartAsync(this CartDbContext db, long customerId, CancellationToken cancellationToken) =>
        db.Carts.FromSql($"SELECT *, xmin FROM carts WHERE customer_id = {customerId} FOR UPDATE").SingleOrDefaultAsync(cancellationToken);

    /// <summary>Gives the cart a new version, even when the clock has not moved since the last change.</summary>
    public static void Touch(this CartDbContext db, ShoppingCart cart, TimeProvider time)
    {
        cart.UpdatedAt = time.GetUtcNow();
        db.Entry(cart).Property(c => c.UpdatedAt).IsModified = true;
    }

    private static async Task<Ok<CartResponse>> GetAsync([AsParameters] CartServices services, CancellationToken cancellationToken)
    {
        var (db, owner) = (services.Db, await services.OwnerAsync(cancellationToken));
        var cart = await ReadAsync(db, owner, cancellationToken) ?? new CartResponse(owner, [], NotOpened);
        var held = await ReadCheckoutAsync(db, owner, cancellationToken);
        return TypedResults.Ok(held is null ? cart : cart.At(held));
    }

    private static async Task<NoContent> ClearAsync(
        [AsParameters] CartServices services, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (db, owner) = (services.Db, await services.OwnerAsync(cancellationToken));
        if (owner == services.Caller.Id() && !await db.Carts.AnyAsync(c => c.CustomerId == owner, cancellationToken))
        {
            preconditions.Require(NotOpened); // its owner sees it as an empty cart, so clearing it changes nothing
            return TypedResults.NoContent();
        }

        return await db.InTransactionAsync(async token =>
        {
            await LockAsync(services, owner, preconditions, token);
            await db.CartItems.Where(i => i.CustomerId == owner).ExecuteDeleteAsync(token);
            await db.SaveChangesAsync(token);
            return TypedResults.NoContent();
        }, cancellationToken);
    }

    private static async Task<Created<CartResponse>> AddItemAsync(
        [AsParameters] CartServices services, AddCartItemRequest request,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (db, owner) = (services.Db, await services.OwnerAsync(cancellationToken));
        try
        {
            var cart = await db.InTransactionAsync(async token =>
            {
                var now = services.Time.GetUtcNow();
                var isOpened = await OpenAsync(db, owner, now, token);
                if (isOpened)
                {
                    preconditions.Require(NotOpened);
                }

                await LockAsync(services, owner, isOpened ? default : preconditions, token);
                db.Add(new CartItem
                {
                    CustomerId = owner,
                    ProductId = request.ProductId!.Value,
                    Quantity = request.Quantity!.Value,
                    CreatedAt = now,
                });
                await db.SaveChangesAsync(token);
                return await ReadAsync(db, owner, token);
            }, cancellationToken);
            return TypedResults.Created($"{Api.Prefix}/carts/{owner}", cart);
        }
        catch (DbUpdateException failure) when (failure.Violates(CartDbContext.OncePerCartIndex))
        {
            throw ProblemException.Conflict("The product is in the cart already; change its quantity instead.", "productId");
        }
        catch (DbUpdateException failure) when (failure.Violates(CartDbContext.ProductKey))
        {
            throw ProblemException.Invalid("productId", "There is no such product.");
        }
    }

    private static async Task<Ok<CartResponse>> UpdateItemAsync(
        [AsParameters] CartServices services, long itemId, UpdateCartItemRequest request,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (db, owner) = (services.Db, await services.OwnerAsync(cancellationToken));
        return TypedResults.Ok(await db.InTransactionAsync(async token =>
        {
            (await LockItemAsync(services, owner, itemId, preconditions, token)).Quantity = request.Quantity!.Value;
            await db.SaveChangesAsync(token);
            return await ReadAsync(db, owner, token);
        }, cancellationToken));
    }

    private static async Task<NoContent> RemoveItemAsync(
        [AsParameters] CartServices services, long itemId,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (db, owner) = (services.Db, await services.OwnerAsync(cancellationToken));
        return await db.InTransactionAsync(async token =>
        {
            db.Remove(await LockItemAsync(services, owner, itemId, preconditions, token));
            await db.SaveChangesAsync(token);
            return TypedResults.NoContent();
        }, cancellationToken);
    }

    /// <summary>Creates the cart unless it exists; concurrent calls are safe. Refuses a deleted customer.</summary>
    private static async Task<bool> OpenAsync(CartDbContext db, long owner, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await db.Carts.AnyAsync(c => c.CustomerId == owner, cancellationToken))
        {
            return false;
        }

        try
        {
            return await db.Database.ExecuteSqlAsync(
                $"INSERT INTO carts (customer_id, created_at, updated_at) VALUES ({owner}, {now}, {now}) ON CONFLICT DO NOTHING",
                cancellationToken) == 1;
        }
        catch (PostgresException refused) when (refused.Violates(CartDbContext.OwnerLivesConstraint))
        {
            throw ProblemException.NotFound("cart", owner);
        }
    }

    /// <summary>Locks the cart and gives it a new version. Only one writer at a time changes it.</summary>
    private static async Task<ShoppingCart> LockAsync(
        CartServices services, long owner, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var db = services.Db;
        var cart = await db.LockCartAsync(owner, cancellationToken) ?? throw ProblemException.NotFound("cart", owner);
        preconditions.Require(cart.Version);
        if (await db.Checkouts.AnyAsync(c => c.CustomerId == owner && c.SettledAt == null, cancellationToken))
        {
            throw ProblemException.Conflict(
                "This cart is being checked out and stays as it is until the order is decided; repeat a failed checkout, or give it up.");
        }

        db.Touch(cart, services.Time);
        return cart;
    }

    private static async Task<CartItem> LockItemAsync(
        CartServices services, long owner, long itemId, Preconditions preconditions, CancellationToken cancellationToken)
    {
        await LockAsync(services, owner, preconditions, cancellationToken);
        return await services.Db.CartItems.SingleOrDefaultAsync(i => i.Id == itemId && i.CustomerId == owner, cancellationToken)
            ?? throw ProblemException.NotFound("item", itemId);
    }
}
