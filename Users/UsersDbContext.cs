global using SignIn =
    MicroPlatform.ServiceDefaults.Accounts.SignIn<MicroPlatform.Users.UsersDbContext, MicroPlatform.Users.User, System.Guid>;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Users;

/// <summary>The database of Users.</summary>
public sealed class UsersDbContext(DbContextOptions<UsersDbContext> options) : AccountsDbContext<User, Guid>(options)
{
    /// <summary>Name of the unique index on the username.</summary>
    public const string UsernameIndex = "ix_users_username_key";

    /// <summary>Name of the unique index on the e-mail address.</summary>
    public const string EmailIndex = "ix_users_email_key";

    /// <inheritdoc />
    protected override IReadOnlyList<string> NameProperties => [nameof(User.Username), nameof(User.Email)];

    /// <summary>
    /// Adds the demo accounts, once; their password is <c>testPass123</c>, and their ids are fixed, so that other services' demo data can
    /// name them.
    /// </summary>
    public static async Task SeedAsync(UsersDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Accounts.AnyAsync(cancellationToken))
        {
            return;
        }

        var hash = Passwords.Hash("testPass123");
        db.AddRange(
            Demo("01900000-0000-7000-8000-000000000001", "admin", Roles.Admin),
            Demo("01900000-0000-7000-8000-000000000002", "clerk", Roles.Staff),
            Demo("01900000-0000-7000-8000-000000000003", "alice", Roles.User),
            Demo("01900000-0000-7000-8000-000000000004", "bob", Roles.User));
        await db.SaveChangesAsync(cancellationToken);

        User Demo(string id, string name, string role)
        {
            var user = new User
            {
                Id = Guid.Parse(id),
                Username = name,
                Email = $"{name}@example.com",
                PasswordHash = hash,
                CreatedAt = DateTimeOffset.UtcNow,
            };
            user.Grant(role);
            return user;
        }
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.HasPostgresExtension("pg_trgm");
        modelBuilder.Entity<User>(user =>
        {
            user.ToTable("users", table => table.HasCheckConstraint("ck_users_role", "role IN ('user', 'staff', 'admin')"));
            user.Property(u => u.Username).HasMaxLength(UsernameAttribute.MaxLength);
            user.Property(u => u.Email).HasMaxLength(EmailAttribute.MaxLength);
            user.Property(u => u.Role).HasMaxLength(5);
            user.HasIndex(u => u.UsernameKey).IsUnique();
            user.HasIndex(u => u.EmailKey).IsUnique();
            user.HasIndex(u => u.Role).HasFilter("role = 'admin'");
            user.HasIndex(u => new { u.Username, u.Email }).HasMethod("gin").HasOperators("gin_trgm_ops", "gin_trgm_ops");
        });
    }
}
