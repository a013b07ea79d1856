using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.ServiceDefaults;

/// <summary>A service's database: its own tables, and the two that every service needs for exactly-once processing.</summary>
public abstract class ServiceDbContext(DbContextOptions options) : DbContext(options)
{
    private readonly List<Action> committed = [];

    internal DbSet<IdempotencyKey> IdempotencyKeys => Set<IdempotencyKey>();

    internal DbSet<InboxMessage> InboxMessages => Set<InboxMessage>();

    /// <summary>The idempotency key of the current request, which the first transaction claims; null when the request has none.</summary>
    internal IdempotencyClaim? Claim { get; set; }

    /// <summary>
    /// Runs <paramref name="action"/> once the open transaction has committed, and not when it is rolled back or repeated; for metrics.
    /// </summary>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    public void OnCommitted(Action action)
    {
        if (Database.CurrentTransaction is null)
        {
            throw new InvalidOperationException("There is no transaction whose commit could be waited for.");
        }

        committed.Add(action);
    }

    internal Task<IDbContextTransaction> BeginAsync(CancellationToken cancellationToken)
    {
        committed.Clear();
        return Database.BeginTransactionAsync(cancellationToken);
    }

    internal void RunCommitted()
    {
        committed.ForEach(action => action());
        committed.Clear();
    }

    /// <summary>
    /// Saves in the open transaction, or in a new one, which is not repeated if it may have been committed (see
    /// <see cref="Postgres.InTransactionAsync"/>).
    /// </summary>
    public override async Task<int> SaveChangesAsync(bool acceptAllChangesOnSuccess, CancellationToken cancellationToken = default)
    {
        // Savepoints allow work after a failed statement, which no code here does; each costs two round trips.
        Database.AutoSavepointsEnabled = false;
        if (Database.CurrentTransaction is not null || !ChangeTracker.HasChanges())
        {
            return await base.SaveChangesAsync(acceptAllChangesOnSuccess, cancellationToken);
        }

        var count = await this.CommitOnceAsync(token => base.SaveChangesAsync(acceptAllChangesOnSuccess: false, token), cancellationToken);
        if (acceptAllChangesOnSuccess)
        {
            ChangeTracker.AcceptAllChanges();
        }

        return count;
    }

    /// <summary>Updates data that SQL cannot update. Called after the migrations at every start, by one replica at a time.</summary>
    protected internal virtual Task AfterMigrationAsync(ILogger logger, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<decimal>().HavePrecision(12, 2);

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<IdempotencyKey>(entity =>
        {
            entity.HasKey(row => new { row.Caller, row.Key });
            entity.Property(row => row.Key).HasMaxLength(Idempotency.MaxKeyLength);
            entity.HasIndex(row => row.CreatedAt);
        });
        modelBuilder.Entity<InboxMessage>(entity =>
        {
            entity.HasKey(row => new { row.Consumer, row.MessageId });
            entity.HasIndex(row => row.HandledAt);
        });
    }
}

/// <summary>The first answer to a request that carried an idempotency key.</summary>
public sealed class IdempotencyKey
{
    /// <summary>The caller; equal keys of different callers are independent.</summary>
    public required string Caller { get; init; }

    /// <summary>The key as sent, up to 255 characters.</summary>
    public required string Key { get; init; }

    /// <summary>SHA-256 over method, path and body.</summary>
    public required byte[] Fingerprint { get; init; }

    /// <summary>The status of the answer.</summary>
    public int Status { get; set; }

    /// <summary>Headers of the answer that are part of the contract, as JSON.</summary>
    public string? Headers { get; set; }

    /// <summary>The body of the answer.</summary>
    public byte[]? Body { get; set; }

    /// <summary>When the first request arrived; the row is kept for 24 hours.</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Records that a consumer has handled a message; written in the transaction of that work.</summary>
public sealed class InboxMessage
{
    /// <summary>The handler.</summary>
    public required string Consumer { get; init; }

    /// <summary>The id of the message.</summary>
    public required string MessageId { get; init; }

    /// <summary>When it was handled.</summary>
    public DateTimeOffset HandledAt { get; init; }
}
