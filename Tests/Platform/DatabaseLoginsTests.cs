using Aspire.Hosting.ApplicationModel;
using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Postgres;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>How the AppHost creates the databases. The orchestrator drops the exceptions of this step.</summary>
[Trait("Speed", "slow")]
public sealed class DatabaseLoginsTests
{
    private const string Database = "loginsdb";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Databases_are_created_when_the_server_answers_after_two_attempts()
    {
        await using var postgres = await TestPostgres.StartAsync();
        var nobody = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Port = Ports.Free() }.ConnectionString;

        var state = await CreateAsync(postgres, nobody, nobody, postgres.ConnectionString);

        Assert.Equal(KnownResourceStates.Running, state);
        await using var source = NpgsqlDataSource.Create(postgres.ConnectionString);
        await using var count = source.CreateCommand($"SELECT count(*) FROM pg_database WHERE datname = '{Database}'");
        Assert.Equal(1L, await count.ExecuteScalarAsync(Cancel));
    }

    [Fact]
    public async Task A_refusal_of_the_server_is_reported_as_a_failed_start_of_the_databases()
    {
        await using var postgres = await TestPostgres.StartAsync();
        var wrong = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Password = "wrong" }.ConnectionString;

        Assert.Equal(KnownResourceStates.FailedToStart, await CreateAsync(postgres, wrong));
    }

    // Answers the state of the database afterwards. The server's address changes from attempt to attempt.
    private static async Task<string?> CreateAsync(TestPostgres postgres, params string[] connectionStrings)
    {
        var server = new MovingServer(connectionStrings);
        var password = new ParameterResource("password", _ => "secret", secret: true);
        var database = new ServiceDatabaseResource(Database, Database, password, server);
        var logins = new DatabaseLogins(server, postgres.Services.GetRequiredService<DataFolder>(), isShared: false, reset: false);
        logins.Databases.Add(database);
        var notifications = postgres.Services.GetRequiredService<ResourceNotificationService>();
        await notifications.PublishUpdateAsync(database, snapshot => snapshot);

        try
        {
            await logins.CreateAsync(postgres.Services, Cancel);
        }
        catch (PostgresException)
        {
            // Its effect is the state.
        }

        Assert.True(notifications.TryGetCurrentState(Database, out var current));
        return current.Snapshot.State?.Text;
    }

    private sealed class MovingServer(string[] connectionStrings) : Resource("server"), IResourceWithConnectionString
    {
        private int _attempts;

        public ReferenceExpression ConnectionStringExpression =>
            ReferenceExpression.Create($"{connectionStrings[Math.Min(_attempts++, connectionStrings.Length - 1)]}");
    }
}
