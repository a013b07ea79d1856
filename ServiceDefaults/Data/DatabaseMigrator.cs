using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace MicroPlatform.ServiceDefaults;

internal interface IDatabaseMigrator
{
    Task MigrateAsync(CancellationToken cancellationToken);
}

/// <summary>Brings the schema up to date before anything else starts, so that no request or message finds an old schema.</summary>
internal sealed class DatabaseMigrator<TContext>(IServiceScopeFactory scopes, ILogger<TContext> logger)
    : IHostedService, IDatabaseMigrator
    where TContext : ServiceDbContext
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await MigrateAsync(cancellationToken);
                return;
            }
            catch (Exception failure) when (Problems.IsDatabaseGone(failure))
            {
                // The database may still be starting; the orchestrator limits how long a start may take.
                var pause = TimeSpan.FromSeconds(Math.Min(attempt, 5));
                logger.LogWarning(
                    "The database does not answer yet ({Reason}); trying again in {Seconds} s", failure.GetBaseException().Message,
                    pause.TotalSeconds);
                await Task.Delay(pause, cancellationToken);
            }
        }
    }

    public async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TContext>();
        db.Database.SetCommandTimeout(TimeSpan.FromMinutes(10)); // an index on a large table

        // EF releases its own lock after each migration, so replicas that start together could seed twice. This lock lasts as long as
        // its connection.
        var settings = new NpgsqlConnectionStringBuilder(db.Database.GetConnectionString()) { Pooling = false, CommandTimeout = 0 };
        await using var migrationLock = new NpgsqlConnection(settings.ConnectionString);
        await migrationLock.OpenAsync(cancellationToken);
        await WaitForLockAsync(migrationLock, cancellationToken);
        await db.Database.MigrateAsync(cancellationToken);
        await db.AfterMigrationAsync(logger, cancellationToken);
        logger.LogInformation("The database is up to date");
    }

    // The wait has no limit, because another process may migrate a large table for long; the wait is logged.
    private async Task WaitForLockAsync(NpgsqlConnection migrationLock, CancellationToken cancellationToken)
    {
        var sinceStart = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await using var wait = new NpgsqlCommand(
                    "SET lock_timeout = '3s'; SELECT pg_advisory_lock(hashtext('migrations'))", migrationLock);
                await wait.ExecuteNonQueryAsync(cancellationToken);
                return;
            }
            catch (PostgresException late) when (string.Equals(
                late.SqlState, PostgresErrorCodes.LockNotAvailable, StringComparison.Ordinal))
            {
                logger.LogWarning(
                    "Another process is migrating the database {Database}; waiting for it since {Seconds:0} s", migrationLock.Database,
                    sinceStart.Elapsed.TotalSeconds);
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Migrates without running the service, for <c>--migrate</c>.</summary>
internal static class DatabaseMigrator
{
    internal static async Task<int> MigrateOnlyAsync(this IServiceProvider services)
    {
        foreach (var migrator in services.GetServices<IHostedService>().OfType<IDatabaseMigrator>())
        {
            try
            {
                await migrator.MigrateAsync(CancellationToken.None);
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                services.GetRequiredService<ILoggerFactory>().CreateLogger("Migrations")
                    .LogError(failure, "The database could not be migrated");
                return 1;
            }
        }

        return 0;
    }
}
