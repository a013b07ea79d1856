using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Warehouse;

/// <summary>The database of Warehouse.</summary>
public sealed class WarehouseDbContext(DbContextOptions<WarehouseDbContext> options) : ServiceDbContext(options)
{
    /// <summary>Name of the unique index on the SKU.</summary>
    public const string SkuIndex = "ix_items_sku";

    /// <summary>Name of the unique index on name and country of origin.</summary>
    public const string NameIndex = "ix_items_name_country_of_origin";

    /// <summary>The items.</summary>
    public DbSet<Item> Items => Set<Item>();

    /// <summary>The history of the stock.</summary>
    public DbSet<StockAdjustment> StockAdjustments => Set<StockAdjustment>();

    /// <summary>The goods of the orders.</summary>
    public DbSet<Reservation> Reservations => Set<Reservation>();

    /// <summary>Adds the demo items, once; the goods of the two demo orders are already shipped.</summary>
    public static async Task SeedAsync(WarehouseDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Items.AnyAsync(cancellationToken))
        {
            return;
        }

        Item[] items =
        [
            Demo(1, "Germany", 100.00m, free: 10, shipped: 1), Demo(2, "France", 50.00m, free: 5, shipped: 2),
            Demo(3, "Spain", 70.00m, free: 7, shipped: 1),
        ];
        foreach (var item in items)
        {
            // One statement after the other, so that the ids come in this order.
            db.Add(item);
            await db.SaveChangesAsync(cancellationToken);
        }

        db.AddRange(Shipped(1, 1, 2), Shipped(2, 2, 3));
        await db.SaveChangesAsync(cancellationToken);

        static Reservation Shipped(long orderId, params long[] itemIds) => new()
        {
            OrderId = orderId,
            Status = ReservationStatus.Shipped,
            ChangedAt = new(2026, 1, 7, 9, 0, 0, TimeSpan.Zero),
            Lines = [.. itemIds.Index().Select(item => new ReservationLine { Line = (short)item.Index, ItemId = item.Item, Quantity = 1 })],
        };

        static Item Demo(int number, string country, decimal price, long free, long shipped)
        {
            var item = new Item
            {
                Sku = $"SKU-{number}",
                Name = $"item_{number}",
                Description = $"Description_{number}",
                CountryOfOrigin = country,
                Price = price,
            };
            item.Adjust(free + shipped, "Opening stock", by: null, new(2026, 1, 2, 8, 0, 0, TimeSpan.Zero));
            item.Ship(shipped);
            return item;
        }
    }

    /// <summary>
    /// Reads an item to change it. Its row stays locked until the transaction ends: a second transaction waits, and then sees the change of
    /// the first.
    /// </summary>
    internal async Task<Item> LockItemAsync(long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var item = await Items.FromSql($"SELECT *, xmin FROM items WHERE id = {id} FOR NO KEY UPDATE")
            .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("item", id);
        preconditions.Require(item.Version);
        return item;
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.HasPostgresExtension("pg_trgm");
        modelBuilder.Entity<Item>(item =>
        {
            item.ToTable("items", table =>
            {
                table.HasCheckConstraint("ck_items_stock", "received = free + reserved + shipped");
                table.HasCheckConstraint("ck_items_free", "free >= 0");
                table.HasCheckConstraint("ck_items_reserved", "reserved >= 0");
                table.HasCheckConstraint("ck_items_shipped", "shipped >= 0");
                table.HasCheckConstraint("ck_items_price", "price >= 0");
            });
            item.Property(i => i.Sku).HasMaxLength(64);
            item.Property(i => i.Name).HasMaxLength(200);
            item.Property(i => i.Description).HasMaxLength(2000);
            item.Property(i => i.CountryOfOrigin).HasMaxLength(200);
            item.Property(i => i.IsLow).HasComputedColumnSql($"free <= {Item.LowStock}", stored: true);
            item.HasIndex(i => i.Sku).IsUnique();
            item.HasIndex(i => new { i.Name, i.CountryOfOrigin }).IsUnique();
            item.HasIndex(i => new { i.Sku, i.Name, i.Description, i.CountryOfOrigin })
                .HasMethod("gin").HasOperators("gin_trgm_ops", "gin_trgm_ops", "gin_trgm_ops", "gin_trgm_ops");
            item.HasIndex(i => i.Id).HasDatabaseName("ix_items_low").HasFilter("is_low");
            item.HasMany(i => i.Adjustments).WithOne().HasForeignKey(a => a.ItemId).OnDelete(DeleteBehavior.Cascade);
        });
        modelBuilder.Entity<StockAdjustment>(adjustment =>
        {
            adjustment.ToTable("stock_adjustments", table =>
            {
                table.HasCheckConstraint("ck_stock_adjustments_delta", "delta <> 0");
                table.HasCheckConstraint("ck_stock_adjustments_quantity", "quantity >= 0");
            });
            adjustment.Property(a => a.Reason).HasMaxLength(200);
            adjustment.HasIndex(a => new { a.ItemId, a.Id });
        });
        modelBuilder.Entity<Reservation>(reservation =>
        {
            reservation.ToTable(
                "reservations",
                table => table.HasCheckConstraint("ck_reservations_reason", "(reason IS NOT NULL) = (status = 'Rejected')"));
            reservation.HasKey(r => r.OrderId);
            reservation.Property(r => r.OrderId).ValueGeneratedNever();
            reservation.Property(r => r.Status).HasConversion<string>().HasMaxLength(20);
            reservation.Property(r => r.Reason).HasMaxLength(500);
            reservation.HasMany(r => r.Lines).WithOne().HasForeignKey(l => l.OrderId).OnDelete(DeleteBehavior.Cascade);
        });
        modelBuilder.Entity<ReservationLine>(line =>
        {
            line.ToTable("reservation_lines", table => table.HasCheckConstraint("ck_reservation_lines_quantity", "quantity > 0"));
            line.HasKey(l => new { l.OrderId, l.Line });
            line.HasOne<Item>().WithMany().HasForeignKey(l => l.ItemId).OnDelete(DeleteBehavior.Restrict);
        });
    }
}
