using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Cart;

/// <summary>The database of Cart.</summary>
public sealed class CartDbContext(DbContextOptions<CartDbContext> options) : ServiceDbContext(options)
{
    /// <summary>Name of the unique index that allows a product only once in a cart.</summary>
    public const string OncePerCartIndex = "ix_cart_items_customer_id_product_id";

    /// <summary>Name of the foreign key from an item to its product.</summary>
    public const string ProductKey = "fk_cart_items_products_product_id";

    /// <summary>Name under which a trigger refuses a cart for a deleted customer; see the migration.</summary>
    public const string OwnerLivesConstraint = "ck_carts_owner_lives";

    /// <summary>The catalogue.</summary>
    public DbSet<Product> Products => Set<Product>();

    /// <summary>The carts.</summary>
    public DbSet<ShoppingCart> Carts => Set<ShoppingCart>();

    /// <summary>The items in the carts.</summary>
    public DbSet<CartItem> CartItems => Set<CartItem>();

    /// <summary>Checkouts of carts, open and settled.</summary>
    public DbSet<Checkout> Checkouts => Set<Checkout>();

    /// <summary>Deleted customers, who can have no cart again.</summary>
    public DbSet<DeletedCustomer> DeletedCustomers => Set<DeletedCustomer>();

    /// <summary>Adds the demo products and a cart with one item for each of the four demo customers, once.</summary>
    public static async Task SeedAsync(CartDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Products.AnyAsync(cancellationToken))
        {
            return;
        }

        var now = DateTimeOffset.UtcNow;
        Product[] products =
        [
            Demo("SKU-1", "Product_0", "A plain thing that does its one job well", 99.99m),
            Demo("SKU-2", "Product_1", "A sturdy thing for every day of the week", 149.99m),
            Demo("SKU-3", "Product_2", "A quiet thing for a desk or a shelf", 199.99m),
            Demo("SKU-UNKNOWN", "Product_3", "A rare thing that no warehouse has ever seen", 249.99m),
        ];
        // One statement after the other, so that the ids come in this order.
        foreach (var product in products)
        {
            db.Add(product);
            await db.SaveChangesAsync(cancellationToken);
        }

        int[] quantities = [1, 2, 3, 5];
        db.AddRange(products.Zip(quantities, (product, quantity) => new ShoppingCart
        {
            CustomerId = product.Id,
            CreatedAt = now,
            UpdatedAt = now,
            Items = [new() { Product = product, Quantity = quantity, CreatedAt = now }],
        }));
        await db.SaveChangesAsync(cancellationToken);

        Product Demo(string sku, string name, string description, decimal price) =>
            new() { Sku = sku, Name = name, Description = description, Price = price, CreatedAt = now };
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.HasPostgresExtension("pg_trgm");
        modelBuilder.Entity<Product>(product =>
        {
            product.ToTable(table => table.HasCheckConstraint("ck_products_price", "price > 0"));
            product.Property(p => p.Sku).HasMaxLength(ProductRequest.MaxSkuLength);
            product.Property(p => p.Name).HasMaxLength(ProductRequest.MaxNameLength);
            product.Property(p => p.Description).HasMaxLength(ProductRequest.MaxDescriptionLength);
            product.HasIndex(p => p.Name).HasMethod("gin").HasOperators("gin_trgm_ops");
        });
        modelBuilder.Entity<ShoppingCart>(cart =>
        {
            cart.HasKey(c => c.CustomerId);
            cart.Property(c => c.CustomerId).ValueGeneratedNever();
            cart.HasMany(c => c.Items).WithOne().HasForeignKey(i => i.CustomerId).OnDelete(DeleteBehavior.Cascade);
        });
        modelBuilder.Entity<CartItem>(item =>
        {
            item.ToTable(table =>
                table.HasCheckConstraint("ck_cart_items_quantity", $"quantity BETWEEN {CartItem.MinQuantity} AND {CartItem.MaxQuantity}"));
            item.HasIndex(i => new { i.CustomerId, i.ProductId }).IsUnique();
            item.HasOne(i => i.Product).WithMany().HasForeignKey(i => i.ProductId).OnDelete(DeleteBehavior.Restrict);
        });
        modelBuilder.Entity<Checkout>(checkout =>
        {
            checkout.ToTable(table =>
                table.HasCheckConstraint("ck_checkouts_given_up_at", "given_up_at IS NULL OR settled_at IS NOT NULL"));
            checkout.Property(c => c.IdempotencyKey).HasMaxLength(Idempotency.MaxKeyLength);
            checkout.PrimitiveCollection(c => c.FoundWith).HasDefaultValueSql("'{}'")
                .ElementType(key => key.HasMaxLength(Idempotency.MaxKeyLength));
            checkout.HasOne<ShoppingCart>().WithMany().HasForeignKey(c => c.CustomerId).OnDelete(DeleteBehavior.Cascade);
            checkout.HasIndex(c => new { c.CustomerId, c.IdempotencyKey }).IsUnique();
            checkout.HasIndex(c => c.CustomerId, "ix_checkouts_open").IsUnique().HasFilter("settled_at IS NULL");
            checkout.OwnsMany(c => c.Lines, lines => lines.ToJson());
        });
        modelBuilder.Entity<DeletedCustomer>(customer =>
        {
            customer.HasKey(c => c.CustomerId);
            customer.Property(c => c.CustomerId).ValueGeneratedNever();
        });
    }
}
