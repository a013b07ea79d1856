using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;
using UsersClient = MicroPlatform.Users.V1.Users.UsersClient;

namespace MicroPlatform.Tests.Platform;

/// <summary>The to-do application as its users reach it: real gRPC clients over one TLS connection through the Gateway.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class TodoEndToEndTests : IDisposable
{
    private const string Password = TestPlatform.Password;
    private readonly HttpClient http;
    private readonly GrpcChannel channel;
    private readonly UsersClient users;
    private readonly TodosClient todos;

    public TodoEndToEndTests(RunningPlatform platform)
    {
        http = platform.Https();
        // The client's handler opens one HTTP/2 connection and puts every call on it.
        channel = GrpcChannel.ForAddress(http.BaseAddress!, new GrpcChannelOptions { HttpClient = http });
        users = new(channel);
        todos = new(channel);
    }

    public void Dispose()
    {
        channel.Dispose();
        http.Dispose();
    }

    [Fact]
    [Trait("Covers", "B-E2-01")]
    [Trait("Covers", "B-E2-03")]
    public async Task A_user_registers_signs_in_and_manages_to_dos()
    {
        var me = As(await NewTokenAsync());
        var first = (await todos.CreateAsync(new() { Title = "first", Text = "one 🎉" }, me)).Item;
        var second = (await todos.CreateAsync(new() { Title = "second", Text = "two" }, me)).Item;
        Assert.Null(first.UpdatedAt);
        var updated = (await todos.UpdateAsync(new() { Id = first.Id, Title = "first, changed", Text = "one, changed" }, me)).Item;
        Assert.True(updated.UpdatedAt.ToDateTimeOffset() >= updated.CreatedAt.ToDateTimeOffset());
        Assert.Equal(
            StatusCode.NotFound, (await todos.UpdateAsync(new() { Id = long.MaxValue, Title = "none" }, me).RefusalAsync()).Status);
        Assert.Equal([updated, second], (await todos.ListAsync(new() { Limit = 10 }, me)).Items);
        Assert.Equal(second, (await todos.GetAsync(new() { Id = second.Id }, me)).Item);
        await todos.DeleteAsync(new() { Id = first.Id }, me);
        Assert.Equal([second], (await todos.ListAsync(new() { Limit = 10 }, me)).Items);
        Assert.Equal(StatusCode.NotFound, (await todos.GetAsync(new() { Id = first.Id }, me).RefusalAsync()).Status);
        await todos.DeleteAsync(new() { Id = second.Id }, me);
        Assert.Equal(StatusCode.NotFound, (await todos.DeleteAsync(new() { Id = second.Id }, me).RefusalAsync()).Status);
        Assert.Empty((await todos.ListAsync(new() { Limit = 10 }, me)).Items);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("garbage")]
    [InlineData("a.b.c")]
    [InlineData("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIwMTkwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDMifQ.")]
    [Trait("Covers", "B-E2-02")]
    [Trait("Covers", "N-02")]
    public async Task Every_method_refuses_a_missing_or_invalid_token_and_the_next_valid_call_is_served(string? authorization)
    {
        var refusals = new[]
        {
            await todos.CreateAsync(new() { Title = "forged" }, As(authorization)).RefusalAsync(),
            await todos.GetAsync(new() { Id = 1 }, As(authorization)).RefusalAsync(),
            await todos.UpdateAsync(new() { Id = 1, Title = "forged" }, As(authorization)).RefusalAsync(),
            await todos.DeleteAsync(new() { Id = 1 }, As(authorization)).RefusalAsync(),
            await todos.ListAsync(new(), As(authorization)).RefusalAsync(),
            await todos.Export(new(), As(authorization)).RefusalAsync(),
            await users.GetMeAsync(new(), As(authorization)).RefusalAsync(),
        };
        Assert.All(refusals, refusal => Assert.Equal(StatusCode.Unauthenticated, refusal.Status));
        Assert.Equal("alice", (await users.GetMeAsync(new(), As(await TokenAsync("alice")))).User.Username);
    }

    [Fact]
    [Trait("Covers", "B-E2-04")]
    public async Task An_unregistered_user_cannot_sign_in() => Assert.Equal(
        StatusCode.Unauthenticated,
        (await users.LoginAsync(new() { Username = $"nobody-{Guid.NewGuid():N}", Password = Password }, As(null)).RefusalAsync()).Status);

    [Fact]
    [Trait("Covers", "B-E2-05")]
    public async Task An_invalid_registration_or_login_names_the_fields_in_the_details()
    {
        var malformed = await users.RegisterAsync(new() { Username = "fine", Password = Password, Email = "no-at-sign" }, As(null))
            .RefusalAsync();
        Assert.Equal((StatusCode.InvalidArgument, "email"), (malformed.Status, Assert.Single(malformed.Fields)));
        var taken = await users.RegisterAsync(new() { Username = "ALICE", Password = Password, Email = "other@example.com" }, As(null))
            .RefusalAsync();
        Assert.Equal((StatusCode.AlreadyExists, "username"), (taken.Status, Assert.Single(taken.Fields)));
        var empty = await users.LoginAsync(new(), As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, empty.Status);
        Assert.Equal(["password", "username"], empty.Fields);
    }

    [Fact]
    [Trait("Covers", "N-01")]
    public async Task Two_users_who_share_one_connection_see_only_their_own_to_dos_in_a_thousand_calls()
    {
        var callers = new[] { (Name: "one", Token: await NewTokenAsync()), (Name: "two", Token: await NewTokenAsync()) };
        foreach (var (name, token) in callers)
        {
            await todos.CreateAsync(new() { Title = $"of {name}" }, As(token));
        }

        // Eight calls at a time, so that both users call at once; half of the calls have the word Bearer before the token.
        var calls = Enumerable.Range(0, 1000);
        var eight = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForEachAsync(calls, eight, async (i, _) =>
        {
            var (name, token) = callers[i % 2];
            var listed = await todos.ListAsync(new(), As(i % 4 < 2 ? token : "Bearer " + token));
            Assert.Equal($"of {name}", Assert.Single(listed.Items).Title);
        });
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Identities_claimed_in_metadata_are_ignored()
    {
        var claimed = new Metadata { { "user-token", await TokenAsync("alice") }, { "x-user-id", "01900000-0000-7000-8000-000000000003" } };
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await todos.ListAsync(new(), claimed, cancellationToken: TestContext.Current.CancellationToken).RefusalAsync()).Status);
        claimed.Add("authorization", await NewTokenAsync());
        Assert.Empty((await todos.ListAsync(new(), claimed, cancellationToken: TestContext.Current.CancellationToken)).Items);
    }

    [Fact]
    public async Task A_stream_arrives_in_full_and_ends_when_its_reader_cancels()
    {
        var me = As(await NewTokenAsync());
        foreach (var i in Enumerable.Range(1, 5))
        {
            await todos.CreateAsync(new() { Title = $"to-do {i}" }, me);
        }

        using var whole = todos.Export(new(), me);
        Assert.Equal(
            Enumerable.Range(1, 5).Select(i => $"to-do {i}"),
            await whole.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).Select(response => response.Item.Title)
                .ToListAsync(TestContext.Current.CancellationToken),
            StringComparer.Ordinal);
        Assert.Equal(StatusCode.OK, whole.GetStatus().StatusCode);

        using var leaving = new CancellationTokenSource();
        using var left = todos.Export(new(), me.WithCancellationToken(leaving.Token));
        Assert.True(await left.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await leaving.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await left.RefusalAsync()).Status);
        Assert.Equal(5, (await todos.ListAsync(new(), me)).Items.Count);
    }

    [Theory]
    [InlineData("customers.v1.TokenValidation", "Validate")]
    [InlineData("warehouse.v1.Inventory", "BatchGetItems")]
    [InlineData("sales.v1.Orders", "PlaceOrder")]
    [InlineData("todo.v1.Todos", "BecomeAdmin")]
    public async Task Internal_and_unknown_methods_are_unimplemented(string service, string method) => Assert.Equal(
        StatusCode.Unimplemented, (await channel.CallRaw(service, method, [], await TokenAsync("admin")).RefusalAsync()).Status);

    [Fact]
    [Trait("Covers", "N-16")]
    public async Task A_to_do_written_over_one_protocol_is_read_over_the_other()
    {
        var token = await NewTokenAsync();
        var made = await http.SendAsync("POST", "/api/v1/todos", new { title = "over REST 🎉", dueAt = "2030-01-01T00:00:00Z" }, token)
            .JsonAsync(HttpStatusCode.Created);
        var read = (await todos.GetAsync(new() { Id = made.GetProperty("id").GetInt64() }, As(token))).Item;
        Assert.Equal(("over REST 🎉", made.GetProperty("createdAt").GetDateTimeOffset()), (read.Title, read.CreatedAt.ToDateTimeOffset()));
        await todos.UpdateAsync(new() { Id = read.Id, Title = "over gRPC" }, As(token));
        var shown = await http.SendAsync("GET", $"/api/v1/todos/{read.Id}", token: token).JsonAsync();
        Assert.Equal("over gRPC", shown.GetProperty("title").GetString());
        Assert.NotEqual(default, shown.GetProperty("updatedAt").GetDateTimeOffset());
    }

    [Fact]
    public async Task A_deleted_users_to_dos_are_removed_and_new_to_dos_are_refused()
    {
        var token = await NewTokenAsync();
        await todos.CreateAsync(new() { Title = "soon gone" }, As(token));
        await users.DeleteMeAsync(new(), As(token));
        await Eventually.TrueAsync(
            async () => (await todos.ListAsync(new(), As(token))).Items.Count == 0, "the to-dos of a deleted user are removed");
        Assert.Equal(StatusCode.Unauthenticated, (await todos.CreateAsync(new() { Title = "late" }, As(token)).RefusalAsync()).Status);
        Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(token)).RefusalAsync()).Status);
    }

    private async Task<string> NewTokenAsync()
    {
        var name = $"user-{Guid.NewGuid():N}";
        await users.RegisterAsync(new() { Username = name, Password = Password, Email = $"{name}@example.com" }, As(null));
        return await TokenAsync(name);
    }

    private async Task<string> TokenAsync(string username) =>
        (await users.LoginAsync(new() { Username = username, Password = Password }, As(null))).Tokens.AccessToken;
}
