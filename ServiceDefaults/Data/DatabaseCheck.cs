using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OpenTelemetry;

namespace MicroPlatform.ServiceDefaults;

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
