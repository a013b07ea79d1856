using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>The properties that all kinds of accounts share.</summary>
public abstract class Account<TKey>
    where TKey : struct
{
    /// <summary>The account's id; the subject of its tokens.</summary>
    public TKey Id { get; init; }

    /// <summary>The password, hashed (PBKDF2, see <see cref="AccountOptions.HashIterations"/>).</summary>
    public string PasswordHash { get; set; } = "";

    /// <summary>When the account was created (UTC).</summary>
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

/// <summary>A refresh token, stored only as a hash. Its first use replaces it.</summary>
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

    /// <summary>The private key, PKCS#8, encrypted with <see cref="AccountOptions.KeySecret"/>.</summary>
    public required byte[] PrivateKey { get; init; }

    /// <summary>When the key begins to sign. It is published earlier, so that every service knows it in time.</summary>
    public DateTimeOffset ActiveFrom { get; init; }

    /// <summary>When its publication ends; its last token has expired by then.</summary>
    public DateTimeOffset PublishedUntil { get; init; }
}

/// <summary>
/// Counts failures of one kind: failed sign-ins under a name (existing or not) from one address or from all addresses, or wrong current
/// passwords of an account.
/// </summary>
public sealed class SignInFailures
{
    /// <summary>
    /// SHA-256 of the kind and the name. It is hashed because people may type private data, such as a password, into the name field.
    /// </summary>
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

    /// <summary>
    /// The properties that name an account; the first is the name to sign in with. The lookup key of each is in the property with the same
    /// name and the suffix <c>Key</c>.
    /// </summary>
    protected abstract IReadOnlyList<string> NameProperties { get; }

    internal DbSet<RefreshToken> RefreshTokens => Set<RefreshToken>();

    internal DbSet<SigningKey> SigningKeys => Set<SigningKey>();

    internal DbSet<SignInFailures> SignInFailures => Set<SignInFailures>();

    /// <summary>
    /// The account with this name, regardless of case and composition. An account whose name collides with an older account's is found by
    /// its exact spelling, and an exact match takes precedence.
    /// </summary>
    public Task<TAccount?> FindByNameAsync(string name, CancellationToken cancellationToken)
    {
        var (property, key, exact) = (NameProperties[0] + "Key", Names.KeyOf(name), Names.ExactKeyOf(name));
        return Accounts.AsNoTracking()
            .Where(account => EF.Property<string>(account, property) == key || EF.Property<string>(account, property) == exact)
            .OrderByDescending(account => EF.Property<string>(account, property) == exact)
            .FirstOrDefaultAsync(cancellationToken);
    }

    /// <summary>
    /// Recomputes the lookup keys of names, because accounts may predate the present rules. Where two names now collide, the older
    /// account keeps the name and the newer is found by its exact spelling (<see cref="Names.ExactKeyOf"/>).
    /// </summary>
    protected internal override async Task AfterMigrationAsync(ILogger logger, CancellationToken cancellationToken)
    {
        foreach (var name in NameProperties)
        {
            ChangeTracker.Clear(); // forgets seeded accounts
            await this.InTransactionAsync(async token => await RenewKeysAsync(name, name + "Key", logger, token), cancellationToken);
        }
    }

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
        modelBuilder.Entity<SignInFailures>()
            .ToTable("sign_in_failures", table => table.HasCheckConstraint("ck_sign_in_failures_count", "count > 0"))
            .HasKey(failures => failures.NameHash);
    }

    private async Task<int> RenewKeysAsync(string name, string key, ILogger logger, CancellationToken cancellationToken)
    {
        var outdated = new List<TKey>();
#pragma warning disable MA0009 // runs in PostgreSQL
        // The keys of ASCII names never changed.
        var others = Accounts.Where(account => !Regex.IsMatch(EF.Property<string>(account, name), "^[ -~]*$"));
#pragma warning restore MA0009
        await foreach (var row in others
            .OrderBy(account => account.CreatedAt).ThenBy(account => account.Id)
            .Select(account => new { account.Id, Name = EF.Property<string>(account, name), Key = EF.Property<string>(account, key) })
            .AsNoTracking().AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            if (!string.Equals(row.Key, Names.KeyOf(row.Name), StringComparison.Ordinal)
                && !string.Equals(row.Key, Names.ExactKeyOf(row.Name), StringComparison.Ordinal))
            {
                outdated.Add(row.Id);
            }
        }

        foreach (var id in outdated)
        {
            var account = await Accounts.SingleAsync(a => a.Id.Equals(id), cancellationToken);
            var wanted = Names.KeyOf(NameOf(account));
            if (await Accounts.SingleOrDefaultAsync(a => EF.Property<string>(a, key) == wanted, cancellationToken) is not { } holder)
            {
                SetKey(account, wanted);
            }
            else
            {
                var newer = holder.CreatedAt > account.CreatedAt ? holder : account;
                SetKey(newer, Names.ExactKeyOf(NameOf(newer)));
                await SaveChangesAsync(cancellationToken); // before the older account takes the name
                logger.LogWarning("The {Name} of account {Account} collides with an older account's; it is found by its exact spelling",
                    name, newer.Id);
                if (newer == holder)
                {
                    SetKey(account, wanted);
                }
            }

            await SaveChangesAsync(cancellationToken);
        }

        return outdated.Count;

        string NameOf(TAccount account) => (string)Entry(account).Property(name).CurrentValue!;

        void SetKey(TAccount account, string value) => Entry(account).Property(key).CurrentValue = value;
    }
}
