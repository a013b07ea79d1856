using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry;

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

/// <summary>
/// Ready when the database answers and has this version's schema. A read replica suffices while there is no primary, so that reads
/// continue.
/// </summary>
internal sealed class DatabaseCheck<TContext>(IServiceProvider services) : IHealthCheck
    where TContext : ServiceDbContext
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        // Probes arrive every few seconds and are not traced.
        using var untraced = SuppressInstrumentationScope.Begin();
        try
        {
            await using var reading = services.GetReadContext<TContext>();
            var db = reading ?? services.GetRequiredService<TContext>();
            var applied = await db.Database.SqlQuery<string>($"""SELECT migration_id AS "Value" FROM "__EFMigrationsHistory" """)
                .ToListAsync(cancellationToken);
            if (db.Database.GetMigrations().Except(applied, StringComparer.Ordinal).Any())
            {
                return HealthCheckResult.Unhealthy("The schema is older than this version of the service.");
            }

            return reading is not null
                && await reading.Database.SqlQuery<bool>($"""SELECT pg_is_in_recovery() AS "Value" """).SingleAsync(cancellationToken)
                ? HealthCheckResult.Degraded("There is no primary; reads only.")
                : HealthCheckResult.Healthy();
        }
        catch (Exception failure) when (ReasonOf(failure) is { } reason)
        {
            return HealthCheckResult.Unhealthy(reason);
        }
    }

    /// <summary>Why the database cannot be used yet, or right now; null for any other failure.</summary>
    public static string? ReasonOf(Exception failure) => failure switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable } => "The schema has not been made yet.",
        OperationCanceledException => "The database does not answer in time.",
        _ => Problems.IsDatabaseGone(failure) ? "The database does not answer." : null,
    };
}

/// <summary>Deletes expired rows and runs the housekeeping tasks once an hour.</summary>
internal sealed class Housekeeping<TContext>(IServiceScopeFactory scopes, TimeProvider time, ILogger<Housekeeping<TContext>> logger)
    : BackgroundService
    where TContext : ServiceDbContext
{
    // No message is redelivered after so long.
    private static readonly TimeSpan InboxLifetime = TimeSpan.FromDays(30);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromHours(1), time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            using var untraced = SuppressInstrumentationScope.Begin();
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<TContext>();
                var now = time.GetUtcNow();
                await db.IdempotencyKeys.Where(row => row.CreatedAt < now - Idempotency.Lifetime).ExecuteDeleteAsync(stoppingToken);
                await db.InboxMessages.Where(row => row.HandledAt < now - InboxLifetime).ExecuteDeleteAsync(stoppingToken);
                foreach (var task in scope.ServiceProvider.GetServices<IHousekeepingTask>())
                {
                    await task.RunAsync(stoppingToken);
                }
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                logger.LogWarning(failure, "Housekeeping failed; it is tried again in an hour");
            }
        }
    }
}

/// <summary>A task that a service runs once an hour, to delete or renew something.</summary>
internal interface IHousekeepingTask
{
    Task RunAsync(CancellationToken cancellationToken);
}
