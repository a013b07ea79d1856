using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Users;
using MicroPlatform.Todo.V1;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Todo;

/// <summary>To-dos as gRPC clients see them.</summary>
public sealed class TodoGrpcTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly TodosClient todos = new(platform.Grpc("todo"));

    [Fact]
    [Trait("Covers", "B-TD-01.a")]
    [Trait("Covers", "B-TD-01.b")]
    [Trait("Covers", "B-TD-01.c")]
    [Trait("Covers", "B-TD-01.d")]
    [Trait("Covers", "B-TD-01.e")]
    [Trait("Covers", "B-TD-01.f")]
    [Trait("Covers", "B-TD-01.g")]
    [Trait("Covers", "B-TD-01.h")]
    [Trait("Covers", "B-TD-01.i")]
    public async Task To_dos_are_created_changed_listed_shown_and_deleted()
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        var first = (await todos.CreateAsync(new() { Title = "first", Text = "one" }, me)).Item;
        var second = (await todos.CreateAsync(new() { Title = "second", Text = "two" }, me)).Item;
        Assert.True(0 < first.Id && first.Id < second.Id);

        var updated = (await todos.UpdateAsync(new() { Id = first.Id, Title = "first, changed", Text = "one, changed" }, me)).Item;
        Assert.Equal(("first, changed", "one, changed"), (updated.Title, updated.Text));
        Assert.Equal(StatusCode.NotFound, (await todos.UpdateAsync(new() { Id = 10000, Title = "none" }, me).RefusalAsync()).Status);

        Assert.Equal([updated, second], (await todos.ListAsync(new() { Limit = 10 }, me)).Items);
        Assert.Equal(second, (await todos.GetAsync(new() { Id = second.Id }, me)).Item);

        await todos.DeleteAsync(new() { Id = first.Id }, me);
        Assert.Equal([second], (await todos.ListAsync(new() { Limit = 10 }, me)).Items);
        Assert.Equal(StatusCode.NotFound, (await todos.GetAsync(new() { Id = first.Id }, me).RefusalAsync()).Status);
        await todos.DeleteAsync(new() { Id = second.Id }, me);
        Assert.Equal(StatusCode.NotFound, (await todos.DeleteAsync(new() { Id = second.Id }, me).RefusalAsync()).Status);
        Assert.Empty((await todos.ListAsync(new() { Limit = 10 }, me)).Items);
    }

    [Fact]
    [Trait("Covers", "N-16")]
    public async Task CreatedAt_is_set_on_creation_and_UpdatedAt_only_by_an_update()
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        var madeAt = platform.Clock.GetUtcNow();
        var made = (await todos.CreateAsync(new() { Title = "timed" }, me)).Item;
        Assert.Equal(madeAt, made.CreatedAt.ToDateTimeOffset(), TimeSpan.FromMicroseconds(1));
        Assert.Null(made.UpdatedAt);
        Assert.Equal(made, (await todos.GetAsync(new() { Id = made.Id }, me)).Item);

        platform.Clock.Advance(TimeSpan.FromSeconds(5));
        var updated = (await todos.UpdateAsync(new() { Id = made.Id, Title = "timed" }, me)).Item;
        Assert.Equal(made.CreatedAt, updated.CreatedAt);
        Assert.Equal(madeAt.AddSeconds(5), updated.UpdatedAt.ToDateTimeOffset(), TimeSpan.FromMicroseconds(1));
        Assert.Equal(updated, (await todos.GetAsync(new() { Id = made.Id }, me)).Item);
    }

    [Theory]
    [InlineData("Party 🎉👩‍👩‍👧", "日本語 \n\t \"quoted\" \\ % _ '; DROP TABLE todos;--")]
    [InlineData("עברית العربية", "")]
    [Trait("Covers", "N-16")]
    public async Task Any_text_is_returned_unchanged(string title, string text)
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        var made = (await todos.CreateAsync(new() { Title = title, Text = text }, me)).Item;
        Assert.Equal((title, text), (made.Title, made.Text));
        Assert.Equal(made, (await todos.GetAsync(new() { Id = made.Id }, me)).Item);
    }

    [Fact]
    public async Task An_update_replaces_the_whole_to_do()
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        var due = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var made = (await todos.CreateAsync(
            new() { Title = "full", Text = "text", Completed = true, DueAt = Timestamp.FromDateTimeOffset(due) }, me)).Item;
        Assert.Equal((true, due), (made.Completed, made.DueAt.ToDateTimeOffset()));
        var replaced = (await todos.UpdateAsync(new() { Id = made.Id, Title = "bare" }, me)).Item;
        Assert.Equal(("bare", "", false, null), (replaced.Title, replaced.Text, replaced.Completed, replaced.DueAt));
    }

    public static TheoryData<string, CreateRequest> BadInput => new()
    {
        { "title", new() },
        { "title", new() { Title = " \t " } },
        { "title", new() { Title = new('t', 201) } },
        { "title", new() { Title = "nul\0" } },
        { "text", new() { Title = "fine", Text = new('t', 2001) } },
        { "text", new() { Title = "fine", Text = "\0" } },
        { "due_at", new() { Title = "fine", DueAt = new() { Seconds = long.MaxValue } } },
        { "due_at", new() { Title = "fine", DueAt = new() { Nanos = -1 } } },
    };

    [Theory]
    [MemberData(nameof(BadInput))]
    [Trait("Covers", "N-10")]
    [Trait("Covers", "N-16")]
    public async Task Bad_input_is_refused_with_the_field_named_and_nothing_is_written(string field, CreateRequest bad)
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        var made = (await todos.CreateAsync(new() { Title = new('t', 200), Text = new('t', 2000) }, me)).Item;
        var create = await todos.CreateAsync(bad, me).RefusalAsync();
        var update = await todos.UpdateAsync(new() { Id = made.Id, Title = bad.Title, Text = bad.Text, DueAt = bad.DueAt }, me)
            .RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, create.Status);
        Assert.Equal([field], create.Fields);
        Assert.Equivalent(create, update, strict: true);
        Assert.Equal([made], (await todos.ListAsync(new(), me)).Items);
    }

    [Fact]
    [Trait("Covers", "N-17")]
    public async Task A_page_has_50_to_dos_by_default_and_at_most_200_and_paging_returns_all_in_order()
    {
        var user = await platform.NewUserAsync();
        var me = As(user.AccessToken);
        var ids = await InsertAsync(user.Id, 450);

        var byDefault = await todos.ListAsync(new(), me);
        Assert.Equal(ids[..50], byDefault.Items.Select(todo => todo.Id));
        Assert.NotEmpty(byDefault.NextCursor);

        var (seen, cursor, sizes) = (new List<long>(), "", new List<int>());
        do
        {
            var page = await todos.ListAsync(new() { Limit = uint.MaxValue, Cursor = cursor }, me);
            cursor = page.NextCursor;
            sizes.Add(page.Items.Count);
            seen.AddRange(page.Items.Select(todo => todo.Id));
        }
        while (cursor.Length > 0);

        Assert.Equal([200, 200, 50], sizes);
        Assert.Equal(ids, seen);
        Assert.Equal(ids[..1], (await todos.ListAsync(new() { Limit = 1 }, me)).Items.Select(todo => todo.Id));
    }

    [Theory]
    [InlineData("7")]
    [InlineData("%00")]
    [InlineData("MDE5MDAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAy")]
    public async Task An_invalid_cursor_is_refused(string cursor)
    {
        var refusal = await todos.ListAsync(new() { Cursor = cursor }, As(await platform.UserTokenAsync("alice"))).RefusalAsync();
        Assert.Equal((StatusCode.InvalidArgument, "cursor"), (refusal.Status, Assert.Single(refusal.Fields)));
    }

    [Fact]
    [Trait("Covers", "N-12")]
    public async Task A_list_is_filtered_by_completion_and_by_literal_text()
    {
        var me = As((await platform.NewUserAsync()).AccessToken);
        await todos.CreateAsync(new() { Title = "100% done", Completed = true }, me);
        await todos.CreateAsync(new() { Title = "100 done", Text = "Under_Score" }, me);
        await todos.CreateAsync(new() { Title = "back\\slash" }, me);

        Assert.Equal(["100% done"], await TitlesAsync(new() { Completed = true }), StringComparer.Ordinal);
        Assert.Equal(["100 done", "back\\slash"], await TitlesAsync(new() { Completed = false }), StringComparer.Ordinal);
        Assert.Equal(["100% done"], await TitlesAsync(new() { Search = "0% D" }), StringComparer.Ordinal);
        Assert.Equal(["100 done"], await TitlesAsync(new() { Search = "r_s" }), StringComparer.Ordinal);
        Assert.Equal(["back\\slash"], await TitlesAsync(new() { Search = "\\" }), StringComparer.Ordinal);
        Assert.Equal(["100% done", "100 done"], await TitlesAsync(new() { Search = "DONE" }), StringComparer.Ordinal);
        Assert.Empty(await TitlesAsync(new() { Search = "done", Completed = false, Cursor = "OTIyMzM3MjAzNjg1NDc3NTgwNw" }));
        Assert.Empty(await TitlesAsync(new() { Search = "_", Completed = true }));

        async Task<IEnumerable<string>> TitlesAsync(ListRequest request) =>
            (await todos.ListAsync(request, me)).Items.Select(todo => todo.Title);
    }

    [Fact]
    public async Task An_export_streams_every_to_do_of_the_caller_in_order()
    {
        var user = await platform.NewUserAsync();
        var ids = await InsertAsync(user.Id, 450);
        using var all = todos.Export(new(), As(user.AccessToken));
        Assert.Equal(
            ids,
            await all.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).Select(response => response.Item.Id)
                .ToListAsync(TestContext.Current.CancellationToken));

        using var some = todos.Export(new() { Search = "to-do 45" }, As(user.AccessToken));
        Assert.Equal(
            ["to-do 45", "to-do 450"],
            await some.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).Select(response => response.Item.Title)
                .ToListAsync(TestContext.Current.CancellationToken));

        using var none = todos.Export(new(), As((await platform.NewUserAsync()).AccessToken));
        Assert.False(await none.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Another_users_to_do_is_not_found()
    {
        var (mine, theirs) = (As((await platform.NewUserAsync()).AccessToken), As((await platform.NewUserAsync()).AccessToken));
        var todo = (await todos.CreateAsync(new() { Title = "private" }, mine)).Item;
        var refusals = new[]
        {
            await todos.GetAsync(new() { Id = todo.Id }, theirs).RefusalAsync(),
            await todos.UpdateAsync(new() { Id = todo.Id, Title = "taken" }, theirs).RefusalAsync(),
            await todos.DeleteAsync(new() { Id = todo.Id }, theirs).RefusalAsync(),
        };
        Assert.All(refusals, refusal => Assert.Equal(StatusCode.NotFound, refusal.Status));
        Assert.Empty((await todos.ListAsync(new() { Search = "private" }, theirs)).Items);
        Assert.Equal([todo], (await todos.ListAsync(new(), mine)).Items);
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Identities_claimed_in_metadata_are_ignored()
    {
        var user = await platform.NewUserAsync();
        await todos.CreateAsync(new() { Title = "private" }, As(user.AccessToken));
        foreach (var name in new[] { "user-token", "user-id", "x-user-id", "x-forwarded-user", "sub" })
        {
            var claimed = new CallOptions(
                new Metadata { { name, user.Id.ToString() } }, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(StatusCode.Unauthenticated, (await todos.ListAsync(new(), claimed).RefusalAsync()).Status);
            var withToken = new CallOptions(
                new Metadata { { name, user.Id.ToString() }, { "authorization", await platform.UserTokenAsync("bob") } },
                cancellationToken: TestContext.Current.CancellationToken);
            Assert.DoesNotContain((await todos.ListAsync(new(), withToken)).Items, todo => todo.Title is "private");
        }
    }

    [Fact]
    [Trait("Covers", "B-E2-02")]
    [Trait("Covers", "N-02")]
    public async Task Every_method_refuses_forged_tokens_and_the_next_valid_token_works()
    {
        var user = await platform.NewUserAsync();
        var forgeries = (await Forgery.CreateAsync(platform, "users", user.AccessToken)).Tokens()
            .Where(forgery => !Forgery.KnownToTheAuthority.Contains(forgery.Key)).Select(forgery => forgery.Value)
            .SelectMany(token => new[] { token, "Bearer " + token })
            .Concat([null, "", "Bearer", "Basic " + user.AccessToken, await platform.CustomerTokenAsync("admin1@email.com")]);
        foreach (var forgery in forgeries)
        {
            var refusals = new[]
            {
                await todos.CreateAsync(new() { Title = "forged" }, As(forgery)).RefusalAsync(),
                await todos.GetAsync(new() { Id = 1 }, As(forgery)).RefusalAsync(),
                await todos.UpdateAsync(new() { Id = 1, Title = "forged" }, As(forgery)).RefusalAsync(),
                await todos.DeleteAsync(new() { Id = 1 }, As(forgery)).RefusalAsync(),
                await todos.ListAsync(new(), As(forgery)).RefusalAsync(),
                await todos.Export(new(), As(forgery)).RefusalAsync(),
            };
            Assert.All(refusals, refusal => Assert.Equal(StatusCode.Unauthenticated, refusal.Status));
        }

        Assert.Empty((await todos.ListAsync(new(), As((await Forgery.CreateAsync(platform, "users", user.AccessToken)).Make()))).Items);
        Assert.Empty((await todos.ListAsync(new(), As("Bearer " + user.AccessToken))).Items);
    }

    [Fact]
    public async Task A_malformed_message_is_an_invalid_argument()
    {
        using var channel = platform.Grpc("todo");
        var token = await platform.UserTokenAsync("alice");
        foreach (var method in new[] { "Create", "Get", "Update", "Delete", "List", "Export" })
        {
            Assert.Equal(StatusCode.InvalidArgument, (await channel.CallRaw("todo.v1.Todos", method, [0xFF], token).RefusalAsync()).Status);
        }
    }

    [Fact]
    public async Task A_late_call_is_DEADLINE_EXCEEDED_and_a_cancelled_stream_is_CANCELLED()
    {
        var token = await platform.UserTokenAsync("alice");
        var late = As(token).WithDeadline(DateTime.UtcNow.AddSeconds(-1));
        Assert.Equal(StatusCode.DeadlineExceeded, (await todos.ListAsync(new(), late).RefusalAsync()).Status);
        using var gone = new CancellationTokenSource();
        using var export = todos.Export(new(), As(token).WithCancellationToken(gone.Token));
        Assert.True(await export.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await gone.CancelAsync();
        Assert.Equal(
            StatusCode.Cancelled,
            (await Assert.ThrowsAsync<RpcException>(async () =>
                { while (await export.ResponseStream.MoveNext(TestContext.Current.CancellationToken)) { } })).StatusCode);
    }

    /// <summary>To-dos named <c>to-do 1</c> and so on, in one statement.</summary>
    private async Task<List<long>> InsertAsync(Guid owner, int count) =>
        [.. (await platform.QueryAsync<long[]>("tododb", """
            WITH made AS (
                INSERT INTO todos (user_id, title, text, completed, created_at)
                SELECT $1, 'to-do ' || n, '', false, now() FROM generate_series(1, $2) n RETURNING id)
            SELECT array_agg(id ORDER BY id) FROM made
            """, owner, count))!];
}
