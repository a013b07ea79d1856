using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Sales;

/// <summary>The database of Sales.</summary>
public sealed class SalesDbContext(DbContextOptions<SalesDbContext> options) : ServiceDbContext(options)
{
    /// <summary>Name of the unique index on the checkout.</summary>
    public const string CheckoutIndex = "ix_orders_checkout_id";

    /// <summary>The orders.</summary>
    public DbSet<Order> Orders => Set<Order>();

    /// <summary>Checkouts that were given up.</summary>
    public DbSet<GivenUpCheckout> GivenUpCheckouts => Set<GivenUpCheckout>();

    /// <summary>What confirmed orders have sold. A trigger maintains it; the service only reads it.</summary>
    public DbSet<SoldItem> SoldItems => Set<SoldItem>();

    /// <summary>The sales of each day. A trigger maintains them; the service only reads them.</summary>
    public DbSet<DailySales> DailySales => Set<DailySales>();

    /// <summary>Adds the two demo orders, once.</summary>
    public static async Task SeedAsync(SalesDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Orders.AnyAsync(cancellationToken))
        {
            return;
        }

        await AddAsync(1, new(2026, 1, 5, 10, 0, 0, TimeSpan.Zero), (1, 100.00m), (2, 50.00m));
        await AddAsync(2, new(2026, 1, 6, 11, 30, 0, TimeSpan.Zero), (2, 50.00m), (3, 70.00m));

        async Task AddAsync(long customerId, DateTimeOffset date, params (long ItemId, decimal Price)[] lines)
        {
            var order = new Order { CustomerId = customerId, Date = date };
            foreach (var (itemId, price) in lines)
            {
                order.Add($"SKU-{itemId}", itemId, quantity: 1, price);
            }

            db.Add(order);
            await db.SaveChangesAsync(cancellationToken);
            order.Confirm([.. lines.Select(line => line.ItemId)], date.AddSeconds(1));
            await db.SaveChangesAsync(cancellationToken);
        }
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Order>(order =>
        {
            order.ToTable("orders", table =>
            {
                // The status agrees with the times of the steps.
                table.HasCheckConstraint("ck_orders_status", """
                    CASE status
                        WHEN 'Pending' THEN confirmed_at IS NULL AND rejected_at IS NULL AND cancelled_at IS NULL
                        WHEN 'Confirmed' THEN confirmed_at IS NOT NULL AND rejected_at IS NULL AND cancelled_at IS NULL
                        WHEN 'Rejected' THEN confirmed_at IS NULL AND rejected_at IS NOT NULL AND cancelled_at IS NULL
                        WHEN 'Cancelled' THEN rejected_at IS NULL AND cancelled_at IS NOT NULL
                        ELSE false
                    END
                    """);
                table.HasCheckConstraint("ck_orders_reason", "(reason IS NOT NULL) = (status = 'Rejected')");
                table.HasTrigger("count_sold_items");
                table.HasTrigger("count_daily_sales");
            });
            order.Property(o => o.Status).HasConversion<string>().HasMaxLength(20);
            order.Property(o => o.Reason).HasMaxLength(500);
            order.HasIndex(o => o.CheckoutId).IsUnique();
            order.HasIndex(o => new { o.CustomerId, o.Id });
            order.HasIndex(o => new { o.Status, o.Id });
            order.HasMany(o => o.Lines).WithOne().HasForeignKey(l => l.OrderId).OnDelete(DeleteBehavior.Cascade);
        });
        modelBuilder.Entity<OrderLine>(line =>
        {
            line.ToTable("order_lines", table =>
            {
                table.HasCheckConstraint("ck_order_lines_quantity", "quantity > 0");
                table.HasCheckConstraint("ck_order_lines_unit_price", "unit_price >= 0");
            });
            line.HasKey(l => new { l.OrderId, l.Line });
            line.Property(l => l.Sku).HasMaxLength(64);
        });
        modelBuilder.Entity<GivenUpCheckout>().HasKey(c => c.CheckoutId);
        modelBuilder.Entity<SoldItem>(item =>
        {
            item.ToTable("sold_items", table =>
            {
                table.HasCheckConstraint("ck_sold_items_quantity", "quantity >= 0");
                table.HasCheckConstraint("ck_sold_items_revenue", "revenue >= 0");
            });
            item.HasKey(i => i.ItemId);
            item.Property(i => i.ItemId).ValueGeneratedNever();
            item.Property(i => i.Revenue).HasPrecision(20, 2);
        });
        modelBuilder.Entity<DailySales>(day =>
        {
            day.ToTable(
                "daily_sales",
                table =>
                    table.HasCheckConstraint("ck_daily_sales", "confirmed >= 0 AND rejected >= 0 AND cancelled >= 0 AND revenue >= 0"));
            day.HasKey(d => new { d.Day, d.Slot });
            day.Property(d => d.Revenue).HasPrecision(20, 2);
        });
    }
}
