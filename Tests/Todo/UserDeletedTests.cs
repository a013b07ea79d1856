using System.Net;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Users;
using MicroPlatform.Users.Events;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Rebus.Bus;
using Rebus.Messages;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Todo;

/// <summary>The to-dos of a deleted user.</summary>
public sealed class UserDeletedTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Todos = "/api/v1/todos";
    private readonly HttpClient users = platform.Http("users");
    private readonly HttpClient todos = platform.Http("todo");

    [Fact]
    public async Task A_deleted_users_to_dos_are_removed_and_other_users_keep_theirs()
    {
        var (gone, stays) = (await platform.NewUserAsync(), await platform.NewUserAsync());
        foreach (var user in new[] { gone, stays, gone })
        {
            await todos.SendAsync("POST", Todos, new { title = "kept while its owner stays" }, user.AccessToken)
                .JsonAsync(HttpStatusCode.Created);
        }

        await users.SendAsync("DELETE", NewUsers.Me, token: gone.AccessToken).JsonAsync(HttpStatusCode.NoContent);

        await Eventually.TrueAsync(async () => await CountAsync(gone.Id) == 0, "the to-dos of a deleted user are removed");
        Assert.Equal(1, await CountAsync(stays.Id));
    }

    [Fact]
    public async Task A_deleted_users_unexpired_token_creates_no_to_dos()
    {
        var gone = await platform.NewUserAsync();
        var one = (await todos.SendAsync("POST", Todos, new { title = "early" }, gone.AccessToken).JsonAsync(HttpStatusCode.Created))
            .GetProperty("id").GetInt64();
        await users.SendAsync("DELETE", NewUsers.Me, token: gone.AccessToken).JsonAsync(HttpStatusCode.NoContent);
        await Eventually.TrueAsync(async () => await CountAsync(gone.Id) == 0, "the to-dos of a deleted user are removed");

        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await todos.SendAsync("POST", Todos, new { title = "late" }, gone.AccessToken).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await todos.SendAsync(
                "POST", Todos, new { title = "late" }, gone.AccessToken, ("Idempotency-Key", "late")).ProblemAsync()).Status);
        var client = new TodosClient(platform.Grpc("todo"));
        Assert.Equal(
            StatusCode.Unauthenticated, (await client.CreateAsync(new() { Title = "late" }, As(gone.AccessToken)).RefusalAsync()).Status);
        Assert.Equal(
            StatusCode.NotFound,
            (await client.UpdateAsync(new() { Id = one, Title = "late" }, As(gone.AccessToken)).RefusalAsync()).Status);
        Assert.Empty((await client.ListAsync(new(), As(gone.AccessToken))).Items);
        Assert.Equal(0, await CountAsync(gone.Id));
    }

    [Fact]
    public async Task A_to_do_created_during_the_deletion_is_removed_too()
    {
        var gone = await platform.NewUserAsync();
        await using var connection = await platform.Db("tododb");
        await using var making = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await InsertAsync(connection, gone.Id);

        await users.SendAsync("DELETE", NewUsers.Me, token: gone.AccessToken).JsonAsync(HttpStatusCode.NoContent);
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "tododb",
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database "
                    + "WHERE datname = current_database())") == 1,
            "the removal waits for the to-do that is being created");
        await making.CommitAsync(TestContext.Current.CancellationToken);

        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("tododb", "SELECT count(*) FROM deleted_users WHERE user_id = $1", gone.Id) == 1,
            "the deletion is recorded");
        Assert.Equal(0, await CountAsync(gone.Id));
        Assert.Equal(
            "ck_todos_owner_lives", (await Assert.ThrowsAsync<PostgresException>(() => InsertAsync(connection, gone.Id))).ConstraintName);
    }

    [Fact]
    public async Task To_dos_created_concurrently_with_the_deletion_are_removed()
    {
        var gone = await platform.NewUserAsync();
        using var enough = new CancellationTokenSource();
        var makers = Enumerable.Range(0, 4).Select(async _ =>
        {
            var seen = new List<HttpStatusCode>();
            while (!enough.IsCancellationRequested)
            {
                seen.Add(await todos.SendAsync("POST", Todos, new { title = "racing" }, gone.AccessToken).StatusAsync());
            }

            return seen;
        }).ToList();
        try
        {
            await Eventually.TrueAsync(async () => await CountAsync(gone.Id) > 0, "some to-dos are created before the deletion");
            await users.SendAsync("DELETE", NewUsers.Me, token: gone.AccessToken).JsonAsync(HttpStatusCode.NoContent);
            await Eventually.TrueAsync(async () => await CountAsync(gone.Id) == 0, "the to-dos of a deleted user are removed");
        }
        finally
        {
            await enough.CancelAsync();
        }

        Assert.All(
            (await Task.WhenAll(makers)).SelectMany(statuses => statuses),
            status => Assert.True(status is HttpStatusCode.Created or HttpStatusCode.Unauthorized, $"{status}"));
        Assert.Equal(0, await CountAsync(gone.Id));
    }

    [Fact]
    public async Task A_redelivered_message_is_handled_once()
    {
        var user = Guid.CreateVersion7();
        _ = platform.Services("todo");
        var bus = platform.Services("users").GetRequiredService<IBus>();
        var headers = new Dictionary<string, string>(StringComparer.Ordinal) { [Headers.MessageId] = Guid.NewGuid().ToString() };
        await bus.Publish(new UserDeleted(user), headers);
        await Eventually.TrueAsync(
            async () =>
                await platform.QueryAsync<long>("tododb", "DELETE FROM deleted_users WHERE user_id = $1 RETURNING 1::bigint", user) == 1,
            "the first message is handled");

        await using var connection = await platform.Db("tododb");
        await InsertAsync(connection, user);
        await bus.Publish(new UserDeleted(user), new Dictionary<string, string>(headers, StringComparer.Ordinal));
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages WHERE recipient = 'todo'") == 0,
            "the second message is taken");
        // When a third event is handled, the handler is done with the second.
        var third = Guid.CreateVersion7();
        await bus.Publish(new UserDeleted(third), new Dictionary<string, string>(StringComparer.Ordinal));
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("tododb", "SELECT count(*) FROM deleted_users WHERE user_id = $1", third) == 1,
            "the third message is handled");
        Assert.Equal(1, await CountAsync(user));
    }

    private async Task<long> CountAsync(Guid owner) =>
        await platform.QueryAsync<long>("tododb", "SELECT count(*) FROM todos WHERE user_id = $1", owner);

    private static async Task InsertAsync(NpgsqlConnection connection, Guid owner)
    {
        await using var command = new NpgsqlCommand(
            "INSERT INTO todos (user_id, title, text, completed, created_at) VALUES ($1, 'made', '', false, now())", connection);
        command.Parameters.Add(new() { Value = owner });
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
