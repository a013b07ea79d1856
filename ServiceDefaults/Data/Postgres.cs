using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Requests to a service, section <c>Requests</c>.</summary>
internal sealed class RequestOptions
{
    /// <summary>How long a service may take for an answer; then the caller gets 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(7);
}

/// <summary>A service's own PostgreSQL database: pooled context, retries, health, telemetry, migrations at start.</summary>
public static class Postgres
{
    private const int MaxRetries = 3;
    private const string SeedKey = "SeedDemoData";

    /// <summary>
    /// Adds the context over the connection string <paramref name="name"/>; <paramref name="seed"/> runs with the migrations when
    /// <c>SeedDemoData</c> is true.
    /// </summary>
    public static WebApplicationBuilder AddPostgresContext<TContext>(
        this WebApplicationBuilder builder, string name, Func<TContext, CancellationToken, Task>? seed = null)
        where TContext : ServiceDbContext
    {
        var connectionString = builder.GetPostgresConnectionString(name);
        builder.CheckSetting(SeedKey, "true or false", value => string.IsNullOrEmpty(value) || bool.TryParse(value, out _));
        var seeding = seed is not null && bool.TryParse(builder.Configuration[SeedKey], out var isAsked) && isAsked;
        void Configure(DbContextOptionsBuilder options)
        {
            // A refused insert is a normal answer (409), and the exception handler logs faults. MigrationTests compares the model with its
            // migrations; the same check at every start takes longer than the search for new migrations.
            options.ConfigureWarnings(events => events
                .Log(
                    (CoreEventId.SaveChangesFailed, LogLevel.Debug), (CoreEventId.QueryIterationFailed, LogLevel.Debug),
                    (RelationalEventId.CommandError, LogLevel.Debug), (RelationalEventId.ConnectionError, LogLevel.Debug),
                    (RelationalEventId.TransactionError, LogLevel.Debug))
                .Ignore(RelationalEventId.PendingModelChangesWarning));
            // Retries hide a short outage, such as a cut connection; a longer one is reported to the caller.
            options.UseNpgsql(npgsql => npgsql.EnableRetryOnFailure(MaxRetries, TimeSpan.FromSeconds(1), errorCodesToAdd: null));
            options.UseSnakeCaseNamingConvention();
            if (seeding)
            {
                options.UseAsyncSeeding((context, _, cancellationToken) => seed!((TContext)context, cancellationToken));
            }
        }

        builder.AddNpgsqlDbContext<TContext>(
            name,
            settings =>
            {
                settings.ConnectionString = connectionString;
                settings.DisableHealthChecks = true; // DatabaseCheck also checks the schema
                settings.DisableTracing = true; // Telemetry subscribes to Npgsql itself
            },
            Configure);
        if (new NpgsqlConnectionStringBuilder(connectionString).Host!.HasSeveralHosts())
        {
            builder.Services.AddReadReplicas<TContext>(connectionString, Configure);
        }

        // The deadline is shorter than that of the Gateway, so that the caller gets this service's answer.
        var deadline = builder.AddSettings<RequestOptions>("Requests").Deadline;
        builder.Services.Configure<RequestTimeoutOptions>(options => options.DefaultPolicy = new()
        {
            Timeout = deadline,
            WriteTimeoutResponse = context =>
                context.WriteProblemAsync(ProblemException.Unavailable("This took too long; try again shortly.")),
        });
        builder.Services.AddHostedService<DatabaseMigrator<TContext>>();
        builder.Services.AddHostedService<Housekeeping<TContext>>();
        builder.Services.AddHealthChecks().AddCheck<DatabaseCheck<TContext>>("database", tags: ["ready"], timeout: TimeSpan.FromSeconds(2));
        return builder;
    }

    /// <summary>
    /// The connection string, with automatic preparation of statements and an application name for the server's statistics. A wrong setting
    /// gives an unusable one. Connections return to the pool without a reset: nothing changes their session, and a reset takes six
    /// statements.
    /// </summary>
    public static string GetPostgresConnectionString(this WebApplicationBuilder builder, string name)
    {
        var key = $"ConnectionStrings:{name}";
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(builder.Configuration.GetConnectionString(name))
            {
                MaxAutoPrepare = 50,
                NoResetOnClose = true,
                ApplicationName = builder.Environment.ApplicationName,
            };
            if (!string.IsNullOrEmpty(settings.Host))
            {
                SetTimeouts(settings);

                return settings.ConnectionString;
            }
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException)
        {
            // Rejected below, like a string without a host.
        }

        // dotnet ef needs the provider, but no server.
        if (!EF.IsDesignTime)
        {
            builder.RejectSetting(
                key,
                $"the PostgreSQL connection string of the service's database, such as "
                    + $"Host=localhost;Database={name};Username={name};Password=...",
                isSecret: true, mattersToMigrations: true);
        }

        return "Host=none";
    }

    /// <summary>
    /// Runs <paramref name="work"/> in one transaction: the open one, that of the request's <c>Idempotency-Key</c>, or a new one. The work
    /// loads what it changes and calls no other service. It runs again from the start when the connection is lost before the commit. When
    /// the connection is lost during the commit, the outcome is unknown, so the caller gets 503 and the work is not repeated.
    /// </summary>
    /// <exception cref="InvalidOperationException">Entities are tracked; the work would not save their changes.</exception>
    public static Task<T> InTransactionAsync<T>(
        this ServiceDbContext db, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        db.ChangeTracker.Entries().Any()
            ? throw new InvalidOperationException("Load what a transaction changes inside of it.")
            : db.CommitOnceAsync(
                token =>
                {
                    db.ChangeTracker.Clear();
                    return work(token);
                },
                cancellationToken);

    internal static async Task<T> CommitOnceAsync<T>(
        this ServiceDbContext db, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (db.Database.CurrentTransaction is not null)
        {
            return await work(cancellationToken);
        }

        if (db.Claim is { } claim)
        {
            // The transaction stays open until the answer is stored with the key.
            await db.BeginAsync(cancellationToken);
            await claim.RequireFirstAsync(db, cancellationToken);
            return await work(cancellationToken);
        }

        return await db.Database.CreateExecutionStrategy().ExecuteAsync(async token =>
        {
            await using var transaction = await db.BeginAsync(token);
            var result = await work(token);
            try
            {
                await transaction.CommitAsync(token);
            }
            catch (Exception lost) when (Problems.IsDatabaseGone(lost))
            {
                throw ProblemException.Unavailable(
                    "The database was lost while it saved the change; look whether it is there before you repeat it.");
            }

            db.RunCommitted();
            return result;
        }, cancellationToken);
    }

    /// <summary>Whether the database refused the change because of this constraint or unique index.</summary>
    public static bool Violates(this DbUpdateException failure, string constraint) =>
        failure.InnerException is PostgresException postgres && postgres.Violates(constraint);

    /// <summary>Whether the database refused the statement because of this constraint or unique index.</summary>
    public static bool Violates(this PostgresException failure, string constraint) =>
        string.Equals(failure.ConstraintName, constraint, StringComparison.Ordinal);

    /// <summary>
    /// Limits the time that an unresponsive server costs a request, unless the connection string sets its own limits.
    /// </summary>
    private static void SetTimeouts(NpgsqlConnectionStringBuilder settings)
    {
        // In seconds. The first statement of a transaction cannot be cancelled, so the request's deadline does not limit it.
        Default("Timeout", 3);
        Default("Command Timeout", 4);
        Default("Cancellation Timeout", 500); // milliseconds
        // Otherwise each connection negotiates it, which costs one more time-out.
        Default("GSS Encryption Mode", nameof(GssEncryptionMode.Disable));
        if (settings.Host!.HasSeveralHosts())
        {
            Default("Host Recheck Seconds", 3); // finds a promoted replica
            settings.TargetSessionAttributes = "primary";
        }

        void Default(string keyword, object value)
        {
            if (!settings.ShouldSerialize(keyword))
            {
                settings[keyword] = value;
            }
        }
    }

    private static bool HasSeveralHosts(this string hosts) => hosts.Contains(',', StringComparison.Ordinal);
}
