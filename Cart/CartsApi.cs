using System.ComponentModel;
using System.Security.Claims;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Cart;

/// <summary>Carts: each of its owner, all of them of the shop's admins.</summary>
internal static class CartsApi
{
    private const string Whose = "A customer id, or me.";

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
        var carts = app.MapApi("/carts/{customerId}", "Carts").RequirePolicy(Policies.Customer).ProducesProblem(StatusCodes.Status404NotFound);
        carts.MapGet("/", GetAsync)
            .WithSummary("Show a cart, an empty one when there is none yet; while it is checked out, at the prices of the checkout");

        // 409 while it is checked out.
        var changes = carts.MapGroup("").ProducesProblem(StatusCodes.Status409Conflict).ProducesProblem(StatusCodes.Status412PreconditionFailed);
        changes.MapDelete("/", ClearAsync).WithSummary("Take everything out of a cart");
        changes.MapPost("/items", AddItemAsync).WithIdempotency<CartDbContext>().WithSummary("Put a product into a cart; opens it when there is none yet");
        changes.MapPatch("/items/{itemId:long}", UpdateItemAsync).WithSummary("Set how many pieces of a product a cart holds");
        changes.MapDelete("/items/{itemId:long}", RemoveItemAsync).WithSummary("Take a product out of a cart");
    }

    /// <summary>Held until the transaction ends: keeps the opening of a customer's cart and the end of the customer apart.</summary>
    public static Task<int> LockCartCreationAsync(this CartDbContext db, long customerId, CancellationToken cancellationToken) =>
        db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended('cart', {customerId}))", cancellationToken);

    /// <summary>Held until the transaction ends: writers of one cart take turns.</summary>
    public static Task<ShoppingCart?> LockCartAsync(this CartDbContext db, long customerId, CancellationToken cancellationToken) =>
        db.Carts.FromSql($"SELECT *, xmin FROM carts WHERE customer_id = {customerId} FOR UPDATE").SingleOrDefaultAsync(cancellationToken);

    /// <summary>Gives the cart a new version, even when the clock has not moved since the last change.</summary>
    public static void Touch(this CartDbContext db, ShoppingCart cart, TimeProvider time)
    {
        cart.UpdatedAt = time.GetUtcNow();
        db.Entry(cart).Property(c => c.UpdatedAt).IsModified = true;
    }

    private static async Task<Ok<CartResponse>> GetAsync(
        [Description(Whose)] string customerId, ClaimsPrincipal caller, CartDbContext db, TokenValidation.TokenValidationClient customers,
        CancellationToken cancellationToken)
    {
        var owner = await customers.OwnerAsync(caller, customerId, cancellationToken);
        var cart = await ReadAsync(db, owner, cancellationToken) ?? new CartResponse(owner, [], NotOpened);
        var held = await ReadCheckoutAsync(db, owner, cancellationToken);
        return TypedResults.Ok(held is null ? cart : cart.At(held));
    }

    private static async Task<NoContent> ClearAsync(
        [Description(Whose)] string customerId, ClaimsPrincipal caller, CartDbContext db,
        TokenValidation.TokenValidationClient customers, TimeProvider time,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var owner = await customers.OwnerAsync(caller, customerId, cancellationToken);
        if (owner == caller.Id() && !await db.Carts.AnyAsync(c => c.CustomerId == owner, cancellationToken))
        {
            preconditions.Require(NotOpened); // its owner sees it as an empty cart, so clearing it changes nothing
            return TypedResults.NoContent();
        }

        return await db.InTransactionAsync(async token =>
        {
            await LockAsync(db, owner, preconditions, time, token);
            await db.CartItems.Where(i => i.CustomerId == owner).ExecuteDeleteAsync(token);
            await db.SaveChangesAsync(token);
            return TypedResults.NoContent();
        }, cancellationToken);
    }

    private static async Task<Created<CartResponse>> AddItemAsync(
        [Description(Whose)] string customerId, AddCartItemRequest request, ClaimsPrincipal caller, CartDbContext db, TokenValidation.TokenValidationClient customers, TimeProvider time,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var owner = await customers.OwnerAsync(caller, customerId, cancellationToken);
        try
        {
            var cart = await db.InTransactionAsync(async token =>
            {
                var now = time.GetUtcNow();
                var isOpened = await OpenAsync(db, owner, now, token);
                if (isOpened)
                {
                    preconditions.Require(NotOpened);
                }

                await LockAsync(db, owner, isOpened ? default : preconditions, time, token);
                db.Add(new CartItem { CustomerId = owner, ProductId = request.ProductId!.Value, Quantity = request.Quantity!.Value, CreatedAt = now });
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
        [Description(Whose)] string customerId, long itemId, UpdateCartItemRequest request, ClaimsPrincipal caller, CartDbContext db, TokenValidation.TokenValidationClient customers,
        TimeProvider time, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var owner = await customers.OwnerAsync(caller, customerId, cancellationToken);
        return TypedResults.Ok(await db.InTransactionAsync(async token =>
        {
            (await LockItemAsync(db, owner, itemId, preconditions, time, token)).Quantity = request.Quantity!.Value;
            await db.SaveChangesAsync(token);
            return await ReadAsync(db, owner, token);
        }, cancellationToken));
    }

    private static async Task<NoContent> RemoveItemAsync(
        [Description(Whose)] string customerId, long itemId, ClaimsPrincipal caller, CartDbContext db, TokenValidation.TokenValidationClient customers, TimeProvider time,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var owner = await customers.OwnerAsync(caller, customerId, cancellationToken);
        return await db.InTransactionAsync(async token =>
        {
            db.Remove(await LockItemAsync(db, owner, itemId, preconditions, time, token));
            await db.SaveChangesAsync(token);
            return TypedResults.NoContent();
        }, cancellationToken);
    }

    /// <summary>Makes sure that there is a cart, however many ask for it at once; not for a customer who is gone.</summary>
    private static async Task<bool> OpenAsync(CartDbContext db, long owner, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await db.Carts.AnyAsync(c => c.CustomerId == owner, cancellationToken))
        {
            return false;
        }

        await db.LockCartCreationAsync(owner, cancellationToken);
        return await db.Database.ExecuteSqlAsync($"""
            INSERT INTO carts (customer_id, created_at, updated_at) SELECT {owner}, {now}, {now}
            WHERE NOT EXISTS (SELECT FROM deleted_customers WHERE customer_id = {owner})
            ON CONFLICT DO NOTHING
            """, cancellationToken) == 1;
    }

    /// <summary>The cart, locked and marked as changed: writers take turns, and its version is new when they are done.</summary>
    private static async Task<ShoppingCart> LockAsync(
        CartDbContext db, long owner, Preconditions preconditions, TimeProvider time, CancellationToken cancellationToken)
    {
        var cart = await db.LockCartAsync(owner, cancellationToken) ?? throw ProblemException.NotFound("cart", owner);
        preconditions.Require(cart.Version);
        if (await db.Checkouts.AnyAsync(c => c.CustomerId == owner && c.SettledAt == null, cancellationToken))
        {
            throw ProblemException.Conflict(
                "This cart is being checked out and stays as it is until the order is decided; repeat a failed checkout, or give it up.");
        }

        db.Touch(cart, time);
        return cart;
    }

    private static async Task<CartItem> LockItemAsync(
        CartDbContext db, long owner, long itemId, Preconditions preconditions, TimeProvider time, CancellationToken cancellationToken)
    {
        await LockAsync(db, owner, preconditions, time, cancellationToken);
        return await db.CartItems.SingleOrDefaultAsync(i => i.Id == itemId && i.CustomerId == owner, cancellationToken) ?? throw ProblemException.NotFound("item", itemId);
    }
}
