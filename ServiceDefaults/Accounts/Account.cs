using System.ComponentModel.DataAnnotations;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>What every account has, whatever its service calls it.</summary>
public abstract class Account<TKey>
    where TKey : struct
{
    /// <summary>The account's id; the subject of its tokens.</summary>
    public TKey Id { get; init; }

    /// <summary>The password, hashed (PBKDF2, see <see cref="AccountOptions.HashIterations"/>).</summary>
    public string PasswordHash { get; set; } = "";

    /// <summary>When the account was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>The role its tokens carry.</summary>
    public abstract string Role { get; }

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}

/// <summary>One sign-in: the family of refresh tokens that descend from it.</summary>
public sealed class Session<TKey>
    where TKey : struct
{
    /// <summary>The session's id, the <c>sid</c> of its access tokens.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>Whose session it is.</summary>
    public TKey AccountId { get; init; }

    /// <summary>When it began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it can no longer be refreshed.</summary>
    public DateTimeOffset ExpiresAt { get; init; }
}

/// <summary>A refresh token, known only by its hash; its first use replaces it.</summary>
public sealed class RefreshToken
{
    /// <summary>SHA-256 of the token.</summary>
    public required byte[] Hash { get; init; }

    /// <summary>The session it continues.</summary>
    public Guid SessionId { get; init; }

    /// <summary>When it was first exchanged for the next; a use more than 10 s later ends the session.</summary>
    public DateTimeOffset? UsedAt { get; set; }
}

/// <summary>An RSA key that signs access tokens.</summary>
public sealed class SigningKey
{
    /// <summary>The <c>kid</c> of its tokens.</summary>
    public required string Id { get; init; }

    /// <summary>The private key, PKCS#8.</summary>
    public required byte[] PrivateKey { get; init; }

    /// <summary>From when it signs; it is published before that, so that every service knows it in time.</summary>
    public DateTimeOffset ActiveFrom { get; init; }

    /// <summary>Until when it is published: its last token has expired by then.</summary>
    public DateTimeOffset PublishedUntil { get; init; }
}

/// <summary>Failed sign-ins under one name, existing or not.</summary>
public sealed class SignInFailures
{
    /// <summary>SHA-256 of the name, lower case: what people mistype into the name field is nobody's business.</summary>
    public required byte[] NameHash { get; init; }

    /// <summary>Failures since <see cref="WindowStart"/>.</summary>
    public int Count { get; set; }

    /// <summary>When the window began.</summary>
    public DateTimeOffset WindowStart { get; set; }
}

/// <summary>The database of a service that is the authority for accounts.</summary>
public abstract class AccountsDbContext<TAccount, TKey>(DbContextOptions options) : ServiceDbContext(options)
    where TAccount : Account<TKey>
    where TKey : struct
{
    /// <summary>The accounts.</summary>
    public DbSet<TAccount> Accounts => Set<TAccount>();

    /// <summary>Live sessions; an ended one is deleted.</summary>
    public DbSet<Session<TKey>> Sessions => Set<Session<TKey>>();

    internal DbSet<RefreshToken> RefreshTokens => Set<RefreshToken>();

    internal DbSet<SigningKey> SigningKeys => Set<SigningKey>();

    internal DbSet<SignInFailures> SignInFailures => Set<SignInFailures>();

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Session<TKey>>(entity =>
        {
            entity.ToTable("sessions");
            entity.HasOne<TAccount>().WithMany().HasForeignKey(session => session.AccountId).OnDelete(DeleteBehavior.Cascade);
            entity.HasIndex(session => session.ExpiresAt);
        });
        modelBuilder.Entity<RefreshToken>(entity =>
        {
            entity.ToTable("refresh_tokens").HasKey(token => token.Hash);
            entity.HasOne<Session<TKey>>().WithMany().HasForeignKey(token => token.SessionId).OnDelete(DeleteBehavior.Cascade);
        });
        modelBuilder.Entity<SigningKey>().ToTable("signing_keys");
        modelBuilder.Entity<SignInFailures>().ToTable("sign_in_failures", table => table.HasCheckConstraint("ck_sign_in_failures_count", "count > 0"))
            .HasKey(failures => failures.NameHash);
    }
}
