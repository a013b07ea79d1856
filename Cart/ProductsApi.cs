using System.ComponentModel;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Cart;

/// <summary>The catalogue: anyone may read it, shop admins maintain it.</summary>
internal static class ProductsApi
{
    private const string ResourceName = "product";

    public static void MapProductsApi(this IEndpointRouteBuilder app)
    {
        var catalogue = app.MapApi("/products", "Products").AllowAnonymous();
        catalogue.MapGet("/", ListAsync).AllowStaleRead().WithSummary("List products, optionally those whose name contains a text");
        catalogue.MapGet("/{id:long}", GetAsync).WithSummary("Show a product");

        var keeping = app.MapApi("/products", "Products").RequireAuthorization(Policies.ShopAdmin);
        keeping.MapPost("/", CreateAsync).WithIdempotency<CartDbContext>().WithSummary("Add a product");
        keeping.MapPut("/{id:long}", ReplaceAsync)
            .WithSummary("Replace a product; carts that contain it show the new price");
        keeping.MapDelete("/{id:long}", DeleteAsync)
            .WithSummary("Delete a product; refused while a cart contains it, unless removeFromCarts is true");
    }

    private static async Task<Ok<Page<ProductResponse>>> ListAsync(
        [AsParameters] PageQuery page, CartDbContext db, CancellationToken cancellationToken,
        [Description("Part of a name, case-insensitive, without wildcards.")] string? search = null)
    {
        var products = db.Products.AsNoTracking();
        if (!string.IsNullOrEmpty(search))
        {
            var pattern = Paging.ContainsPattern(search);
            products = products.Where(p => EF.Functions.ILike(p.Name, pattern, @"\"));
        }

        return TypedResults.Ok(await products.ToPageAsync(page, p => p.Id, ProductResponse.FromProduct, p => p.Id, cancellationToken));
    }

    private static async Task<Ok<ProductResponse>> GetAsync(long id, CartDbContext db, CancellationToken cancellationToken) =>
        TypedResults.Ok(await db.Products.Where(p => p.Id == id).Select(ProductResponse.FromProduct).SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id));

    private static async Task<Created<ProductResponse>> CreateAsync(
        ProductRequest request, CartDbContext db, TimeProvider time, CancellationToken cancellationToken)
    {
        var product = new Product
        {
            Sku = request.Sku!,
            Name = request.Name!,
            Description = request.Description ?? "",
            Price = request.Price!.Value,
            CreatedAt = time.GetUtcNow(),
        };
        db.Add(product);
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/products/{product.Id}", ProductResponse.Of(product));
    }

    private static async Task<Ok<ProductResponse>> ReplaceAsync(
        long id, ProductRequest request, CartDbContext db, TimeProvider time,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var product = await db.InTransactionAsync(async token =>
        {
            var found = await LockAsync(db, id, preconditions, token);
            if (found.Price != request.Price || !string.Equals(found.Name, request.Name, StringComparison.Ordinal))
            {
                // The ETag of a cart covers names and prices, so it changes with them.
                await TouchCartsAsync(db, id, time, token);
            }

            (found.Sku, found.Name, found.Description, found.Price) =
                (request.Sku!, request.Name!, request.Description ?? "", request.Price!.Value);
            await db.SaveChangesAsync(token);
            return found;
        }, cancellationToken);
        return TypedResults.Ok(ProductResponse.Of(product));
    }

    private static async Task<NoContent> DeleteAsync(
        long id, CartDbContext db, TimeProvider time, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken,
        [Description("Whether to remove the product from the carts that contain it.")] bool removeFromCarts = false)
    {
        try
        {
            return await db.InTransactionAsync(async token =>
            {
                db.Remove(await LockAsync(db, id, preconditions, token));
                if (removeFromCarts)
                {
                    await TouchCartsAsync(db, id, time, token);
                    await db.CartItems.Where(i => i.ProductId == id).ExecuteDeleteAsync(token);
                }

                await db.SaveChangesAsync(token);
                return TypedResults.NoContent();
            }, cancellationToken);
        }
        catch (DbUpdateException failure) when (failure.Violates(CartDbContext.ProductKey))
        {
            throw ProblemException.Conflict("The product is in carts; delete it with removeFromCarts=true to take it out of them too.");
        }
    }

    /// <summary>Locks the product: nobody changes it or puts it into a cart until the transaction ends.</summary>
    private static async Task<Product> LockAsync(
        CartDbContext db, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var product = await db.Products.FromSql($"SELECT *, xmin FROM products WHERE id = {id} FOR UPDATE")
            .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id);
        preconditions.Require(product.Version);
        return product;
    }

    private static Task<int> TouchCartsAsync(CartDbContext db, long productId, TimeProvider time, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return db.Carts.Where(c => c.Items.Any(i => i.ProductId == productId))
            .ExecuteUpdateAsync(cart => cart.SetProperty(c => c.UpdatedAt, now), cancellationToken);
    }
}
