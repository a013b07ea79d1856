using System.Diagnostics;
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

/// <summary>A service's own PostgreSQL database: pooled context, retries, health, telemetry, migrations at start.</summary>
public static class Postgres
{
    private const int MaxRetries = 3;

    /// <summary>Adds the context over the connection string <paramref name="name"/>; <paramref name="seed"/> runs with the migrations when <c>SeedDemoData</c> is true.</summary>
    public static WebApplicationBuilder AddPostgresContext<TContext>(this WebApplicationBuilder builder, string name, Func<TContext, CancellationToken, Task>? seed = null)
        where TContext : ServiceDbContext
    {
        var connectionString = builder.GetPostgresConnectionString(name);
        var seeding = seed is not null && builder.GetSetting("SeedDemoData", absent: false, "true or false");
        void Configure(DbContextOptionsBuilder options)
        {
            // A refused insert is an answer (409), and a fault is logged where it is answered.
            options.ConfigureWarnings(events => events.Log(
                (CoreEventId.SaveChangesFailed, LogLevel.Debug), (CoreEventId.QueryIterationFailed, LogLevel.Debug),
                (RelationalEventId.CommandError, LogLevel.Debug), (RelationalEventId.ConnectionError, LogLevel.Debug),
                (RelationalEventId.TransactionError, LogLevel.Debug)));
            // A moment's absence is bridged, as of a connection that was cut; a longer one is for the caller to know of.
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
                settings.DisableHealthChecks = true; // DatabaseCheck also asks whether the schema is up to date
                settings.DisableTracing = true; // Telemetry listens to Npgsql for all services alike
            },
            Configure);
        if (new NpgsqlConnectionStringBuilder(connectionString).Host!.HasSeveralHosts())
        {
            builder.Services.AddReadReplicas<TContext>(connectionString, Configure);
        }

        // However the database fails to answer, the caller is told in time: before whoever asks for it gives up.
        var deadline = builder.GetSetting("Requests:Deadline", TimeSpan.FromSeconds(7), "a time from 00:00:00.1 to 00:10:00", time => time >= TimeSpan.FromMilliseconds(100) && time <= TimeSpan.FromMinutes(10));
        builder.Services.Configure<RequestTimeoutOptions>(options => options.DefaultPolicy = new()
        {
            Timeout = deadline,
            WriteTimeoutResponse = context => context.WriteProblemAsync(ProblemException.Unavailable("This took too long; try again shortly.")),
        });
        builder.Services.AddHostedService<DatabaseMigrator<TContext>>();
        builder.Services.AddHostedService<Housekeeping<TContext>>();
        builder.Services.AddHealthChecks().AddCheck<DatabaseCheck<TContext>>("database", tags: ["ready"], timeout: TimeSpan.FromSeconds(2));
        return builder;
    }

    /// <summary>
    /// The connection string, with statements prepared by use and an application name for the server's own statistics; an unusable one where
    /// the setting is wrong. Connections go back to the pool as they are: nothing here changes their session, and resetting it takes six
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
                Bound(settings);

                return settings.ConnectionString;
            }
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException)
        {
            // Refused with what names no server.
        }

        // Writing a migration needs the provider, not a server.
        if (!EF.IsDesignTime)
        {
            builder.RejectSetting(key, $"the PostgreSQL connection string of the service's database, such as Host=localhost;Database={name};Username={name};Password=...", isSecret: true, mattersToMigrations: true);
        }

        return "Host=none";
    }

    /// <summary>
    /// Runs <paramref name="work"/> in one transaction: the open one, that of the request's <c>Idempotency-Key</c>, or one of its own.
    /// The work loads what it changes and asks no other service. It runs again from the start when the connection is lost before the
    /// commit. Lost during the commit, nobody knows whether it is done: then the caller is told, since work that is done must not be
    /// done twice.
    /// </summary>
    /// <exception cref="InvalidOperationException">Entities are tracked: the work would not save what is changed in them.</exception>
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
            // Stays open until the answer is stored with the key.
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
                throw ProblemException.Unavailable("The database was lost while it saved the change; look whether it is there before you repeat it.");
            }

            db.RunCommitted();
            return result;
        }, cancellationToken);
    }

    /// <summary>Whether the database refused the change because of this constraint or unique index.</summary>
    public static bool Violates(this DbUpdateException failure, string constraint) =>
        failure.InnerException is PostgresException postgres && string.Equals(postgres.ConstraintName, constraint, StringComparison.Ordinal);

    /// <summary>What a server that is lost, or takes commands and never answers, may cost a request, unless the connection string says otherwise.</summary>
    private static void Bound(NpgsqlConnectionStringBuilder settings)
    {
        // Seconds. The first statement of a transaction cannot be called off, so these bound it where the request's own deadline does not.
        Default("Timeout", 3);
        Default("Command Timeout", 4);
        Default("Cancellation Timeout", 500); // milliseconds
        Default("GSS Encryption Mode", nameof(GssEncryptionMode.Disable)); // asked for at every connection otherwise, at the price of one more time-out
        if (settings.Host!.HasSeveralHosts())
        {
            Default("Host Recheck Seconds", 3); // a promoted replica is found after this
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
                services.GetRequiredService<ILoggerFactory>().CreateLogger("Migrations").LogError(failure, "The database could not be migrated");
                return 1;
            }
        }

        return 0;
    }

    private interface IDatabaseMigrator
    {
        Task MigrateAsync(CancellationToken cancellationToken);
    }

    /// <summary>Brings the schema up to date before anything else starts, so that no request or message ever meets an old one.</summary>
    private sealed class DatabaseMigrator<TContext>(IServiceScopeFactory scopes, ILogger<TContext> logger) : IHostedService, IDatabaseMigrator
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
                    // A database that is still starting is no reason to give up; the orchestrator's start-up limit is.
                    var pause = TimeSpan.FromSeconds(Math.Min(attempt, 5));
                    logger.LogWarning("The database does not answer yet ({Reason}); trying again in {Seconds} s", failure.GetBaseException().Message, pause.TotalSeconds);
                    await Task.Delay(pause, cancellationToken);
                }
            }
        }

        public async Task MigrateAsync(CancellationToken cancellationToken)
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TContext>();
            db.Database.SetCommandTimeout(TimeSpan.FromMinutes(10)); // an index on a large table

            // EF's own lock ends with each migration: replicas that start together would add the demo data side by side. This one ends with its connection.
            await using var turn = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(db.Database.GetConnectionString()) { Pooling = false, CommandTimeout = 0 }.ConnectionString);
            await turn.OpenAsync(cancellationToken);
            await WaitForTurnAsync(turn, cancellationToken);
            await db.Database.MigrateAsync(cancellationToken);
            await db.AfterMigrationAsync(logger, cancellationToken);
            logger.LogInformation("The database is up to date");
        }

        // Without a bound, as an index on a large table has none either; but whoever waits says so.
        private async Task WaitForTurnAsync(NpgsqlConnection turn, CancellationToken cancellationToken)
        {
            var sinceStart = Stopwatch.StartNew();
            while (true)
            {
                try
                {
                    await using var wait = new NpgsqlCommand("SET lock_timeout = '3s'; SELECT pg_advisory_lock(hashtext('migrations'))", turn);
                    await wait.ExecuteNonQueryAsync(cancellationToken);
                    return;
                }
                catch (PostgresException late) when (string.Equals(late.SqlState, PostgresErrorCodes.LockNotAvailable, StringComparison.Ordinal))
                {
                    logger.LogWarning("Another process is migrating the database {Database}; waiting for it since {Seconds:0} s", turn.Database, sinceStart.Elapsed.TotalSeconds);
                }
            }
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
