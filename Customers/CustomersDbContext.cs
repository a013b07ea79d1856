global using SignIn =
    MicroPlatform.ServiceDefaults.Accounts.SignIn<MicroPlatform.Customers.CustomersDbContext, MicroPlatform.Customers.Customer, long>;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>The database of Customers.</summary>
public sealed class CustomersDbContext(DbContextOptions<CustomersDbContext> options) : AccountsDbContext<Customer, long>(options)
{
    /// <summary>Name of the unique index on the e-mail address.</summary>
    public const string EmailIndex = "ix_customers_email_key";

    /// <inheritdoc />
    protected override IReadOnlyList<string> NameProperties => [nameof(Customer.Email)];

    /// <summary>Adds the demo accounts, once; their password is <c>testPass123</c>.</summary>
    public static async Task SeedAsync(CustomersDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Accounts.AnyAsync(cancellationToken))
        {
            return;
        }

        var hash = Passwords.Hash("testPass123");
        db.AddRange(
            Demo("admin1@email.com", "Ada", "Admin", isAdmin: true),
            Demo("admin2@email.com", "Alan", "Admin", isAdmin: true),
            Demo("nonadmin3@email.com", "Grace", "Customer", isAdmin: false),
            Demo("nonadmin4@email.com", "Linus", "Customer", isAdmin: false));
        await db.SaveChangesAsync(cancellationToken);

        Customer Demo(string email, string firstName, string lastName, bool isAdmin) =>
            new()
            {
                Email = email,
                FirstName = firstName,
                LastName = lastName,
                IsAdmin = isAdmin,
                PasswordHash = hash,
                CreatedAt = DateTimeOffset.UtcNow,
            };
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.HasPostgresExtension("pg_trgm");
        modelBuilder.Entity<Customer>(customer =>
        {
            customer.ToTable("customers");
            customer.Property(c => c.Email).HasMaxLength(EmailAttribute.MaxLength);
            customer.HasIndex(c => c.EmailKey).IsUnique();
            customer.HasIndex(c => new { c.Email, c.FirstName, c.LastName }).HasMethod("gin")
                .HasOperators("gin_trgm_ops", "gin_trgm_ops", "gin_trgm_ops");
            customer.Property(c => c.FirstName).HasMaxLength(256);
            customer.Property(c => c.LastName).HasMaxLength(256);
        });
    }
}
