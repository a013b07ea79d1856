using System.Reflection;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>Each migration of each service goes up, down and up again, and each step leaves exactly the expected schema.</summary>
[Trait("Speed", "slow")]
public sealed class MigrationTests(Cluster cluster)
{
    /// <summary>Found by reflection, so that no context is forgotten.</summary>
    public static TheoryData<Type> Contexts =>
        [
            .. TestPlatform.Names.SelectMany(service => Assembly.Load(TestPlatform.ProjectOf(service)).GetTypes())
            .Where(type => type is { IsAbstract: false } && type.IsAssignableTo(typeof(ServiceDbContext))),
        ];

    [Theory]
    [MemberData(nameof(Contexts))]
    [Trait("Covers", "A-MG-01")]
    [Trait("Covers", "A-MG-02")]
    [Trait("Covers", "A-MG-03")]
    [Trait("Covers", "A-MG-04")]
    [Trait("Covers", "A-MG-05")]
    public async Task Each_migration_goes_up_down_and_up(Type context)
    {
        var connectionString = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("stairway"));
        await using var db = Open(context, connectionString);
        var migrator = db.GetService<IMigrator>();
        var (below, empty) = (Migration.InitialDatabase, await SchemaAsync(connectionString));
        var schemaBelow = empty;
        Assert.NotEmpty(db.Database.GetMigrations());
        foreach (var migration in db.Database.GetMigrations())
        {
            await migrator.MigrateAsync(migration, TestContext.Current.CancellationToken);
            var schema = await SchemaAsync(connectionString);
            Assert.NotEqual(schemaBelow, schema, StringComparer.Ordinal);
            await migrator.MigrateAsync(below, TestContext.Current.CancellationToken);
            Assert.Equal(schemaBelow, await SchemaAsync(connectionString));
            await migrator.MigrateAsync(migration, TestContext.Current.CancellationToken);
            Assert.Equal(schema, await SchemaAsync(connectionString));
            (below, schemaBelow) = (migration, schema);
        }

        await migrator.MigrateAsync(Migration.InitialDatabase, TestContext.Current.CancellationToken);
        Assert.Equal(empty, await SchemaAsync(connectionString));
    }

    [Theory]
    [InlineData("Customers")]
    [InlineData("Users")]
    public async Task The_migration_deletes_the_idempotency_keys_of_registrations(string service)
    {
        var connectionString = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("kept"));
        await using var db = Open(Assembly.Load(service).GetTypes()
            .Single(type => type.IsAssignableTo(typeof(ServiceDbContext))), connectionString);
        var migrator = db.GetService<IMigrator>();
        await migrator.MigrateAsync(db.Database.GetMigrations()
            .Single(name => name.EndsWith("_Initial", StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        await db.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO idempotency_keys (caller, key, fingerprint, status, created_at)
            VALUES ('anonymous', 'signup-1', sha256('with a password'), 201, now())
            """,
            TestContext.Current.CancellationToken);

        await migrator.MigrateAsync(targetMigration: null, TestContext.Current.CancellationToken);

        Assert.Equal(0, await db.Database.SqlQuery<int>($"""SELECT count(*)::int AS "Value" FROM idempotency_keys""")
            .SingleAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Contexts))]
    public void The_model_has_no_changes_without_a_migration(Type context)
    {
        using var db = Open(context, "Host=unused");
        Assert.False(db.Database.HasPendingModelChanges(), "The model changed since the last migration; add one.");
    }

    private static ServiceDbContext Open(Type context, string connectionString)
    {
        var options = (DbContextOptionsBuilder)Activator.CreateInstance(typeof(DbContextOptionsBuilder<>).MakeGenericType(context))!;
        options.UseNpgsql(connectionString).UseSnakeCaseNamingConvention();
        return (ServiceDbContext)Activator.CreateInstance(context, options.Options)!;
    }

    /// <summary>Every column, constraint and index as text that can be compared, without EF's own history.</summary>
    private static async Task<string> SchemaAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(
            """
            SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
                SELECT format('column %s.%s %s %s %s %s %s', table_name, column_name, data_type, character_maximum_length,
                    numeric_precision, is_nullable, coalesce(column_default, generation_expression)) AS line
                FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '__EFMigrationsHistory'
                UNION ALL
                SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
                    AND conrelid::regclass::text <> '"__EFMigrationsHistory"'
                UNION ALL
                SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL
                SELECT format('index %s', indexdef) FROM pg_indexes
                WHERE schemaname = 'public' AND tablename <> '__EFMigrationsHistory') schema
            """, connection);
        return (string)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }
}
