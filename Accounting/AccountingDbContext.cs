using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Accounting;

/// <summary>The database of Accounting.</summary>
public sealed class AccountingDbContext(DbContextOptions<AccountingDbContext> options) : ServiceDbContext(options)
{
    /// <summary>Name of the unique index on what posted a transaction.</summary>
    public const string SourceIndex = "ix_transactions_source";

    /// <summary>The books.</summary>
    public DbSet<Transaction> Transactions => Set<Transaction>();

    /// <summary>Cancelled orders.</summary>
    public DbSet<CancelledOrder> CancelledOrders => Set<CancelledOrder>();

    /// <summary>Adds the transactions of the two demo orders, once.</summary>
    public static async Task SeedAsync(AccountingDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Transactions.AnyAsync(cancellationToken))
        {
            return;
        }

        Transaction[] transactions =
        [
            Demo(1, 150.00m, new(2026, 1, 5, 10, 0, 1, TimeSpan.Zero)), Demo(2, 120.00m, new(2026, 1, 6, 11, 30, 1, TimeSpan.Zero)),
        ];
        foreach (var transaction in transactions)
        {
            // One statement after the other, so that the ids come in this order.
            db.Add(transaction);
            await db.SaveChangesAsync(cancellationToken);
        }

        static Transaction Demo(long orderId, decimal sum, DateTimeOffset date) =>
            new() { OrderId = orderId, Sum = sum, Date = date, Source = Transaction.SourceOf(orderId) };
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Transaction>(transaction =>
        {
            transaction.ToTable("transactions", table =>
            {
                table.HasCheckConstraint("ck_transactions_sum", "sum > 0");
                table.HasCheckConstraint("ck_transactions_order_id", "order_id > 0");
            });
            transaction.Property(t => t.Source).HasMaxLength(100);
            transaction.HasIndex(t => t.Source).IsUnique();
            transaction.HasIndex(t => new { t.OrderId, t.Id });
            // Totals read this index alone.
            transaction.HasIndex(t => t.Date).IncludeProperties(t => new { t.Sum }).HasFilter("voided_at IS NULL");
        });
        modelBuilder.Entity<CancelledOrder>(order =>
        {
            order.ToTable("cancelled_orders").HasKey(o => o.OrderId);
            order.Property(o => o.OrderId).ValueGeneratedNever();
        });
    }
}
