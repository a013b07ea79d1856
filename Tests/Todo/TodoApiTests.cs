using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Users;

namespace MicroPlatform.Tests.Todo;

/// <summary>To-dos as REST clients see them; the rules that gRPC shares are in <see cref="TodoGrpcTests"/>.</summary>
public sealed class TodoApiTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Todos = "/api/v1/todos";
    private readonly HttpClient http = platform.Http("todo");

    [Fact]
    public async Task A_to_do_is_created_shown_changed_replaced_and_deleted()
    {
        var me = (await platform.NewUserAsync()).AccessToken;
        using var created = await http.SendAsync(
            "POST", Todos, new { title = "plan 🎉", text = "more", dueAt = "2030-01-01T01:00:00+01:00" }, me);
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        var one = created.Headers.Location!.ToString();
        var shown = await http.SendAsync("GET", one, token: me).JsonAsync();
        Assert.Equal(
            ["completed", "createdAt", "dueAt", "id", "text", "title", "updatedAt"],
            shown.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal(
            ("plan 🎉", "more", false, "2030-01-01T00:00:00.000000Z"),
            (shown.Text("title"), shown.Text("text"), shown.GetProperty("completed").GetBoolean(), shown.Text("dueAt")));
        Assert.Equal($"{Todos}/{shown.GetProperty("id").GetInt64()}", one);
        Assert.Equal(JsonValueKind.Null, shown.GetProperty("updatedAt").ValueKind);

        var patched = await http.SendAsync("PATCH", one, new { completed = true }, me).JsonAsync();
        Assert.Equal(
            ("plan 🎉", "more", true, "2030-01-01T00:00:00.000000Z"),
            (patched.Text("title"), patched.Text("text"), patched.GetProperty("completed").GetBoolean(), patched.Text("dueAt")));
        Assert.Equal(platform.Clock.GetUtcNow(), patched.GetProperty("updatedAt").GetDateTimeOffset(), TimeSpan.FromMicroseconds(1));
        Assert.Equal(
            JsonValueKind.Null, (await http.SendAsync("PATCH", one, """{"dueAt":null}""", me).JsonAsync()).GetProperty("dueAt").ValueKind);

        var replaced = await http.SendAsync("PUT", one, new { title = "bare" }, me).JsonAsync();
        Assert.Equal(("bare", "", false), (replaced.Text("title"), replaced.Text("text"), replaced.GetProperty("completed").GetBoolean()));
        Assert.Equal(HttpStatusCode.NoContent, await http.SendAsync("DELETE", one, token: me).StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, (await http.SendAsync("DELETE", one, token: me).ProblemAsync()).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await http.SendAsync("GET", one, token: me).ProblemAsync()).Status);
    }

    [Theory]
    [InlineData("POST", "{}", "title")]
    [InlineData("POST", """{"title":""}""", "title")]
    [InlineData("POST", """{"title":"  "}""", "title")]
    [InlineData("POST", """{"title":5}""", "title")]
    [InlineData("POST", """{"title":"nul\u0000"}""", "title")]
    [InlineData("POST", """{"title":"lone\ud83c"}""", "title")]
    [InlineData("POST", """{"title":"x","id":7}""", "id")]
    [InlineData("POST", """{"title":"x","dueAt":"2030-01-01"}""", "dueAt")]
    [InlineData("POST", """{"title":"x","dueAt":"2030-01-01T00:00:00"}""", "dueAt")]
    [InlineData("POST", """{"title":"x","dueAt":"0001-01-01T00:00:00+14:00"}""", "dueAt")]
    [InlineData("POST", """{"title":"x","completed":"yes"}""", "completed")]
    [InlineData("POST", "", "body")]
    [InlineData("POST", "{", "body")]
    [InlineData("PUT", """{"text":"no title"}""", "title")]
    [InlineData("PATCH", "{}", "body")]
    [InlineData("PATCH", """{"title":""}""", "title")]
    [InlineData("PATCH", """{"title":" "}""", "title")]
    [InlineData("PATCH", """{"isDueAtGiven":true}""", "isDueAtGiven")]
    [Trait("Covers", "N-10")]
    public async Task Bad_input_is_refused_with_the_field_named_and_changes_nothing(string method, string body, string field)
    {
        var me = (await platform.NewUserAsync()).AccessToken;
        var made = await http.SendAsync("POST", Todos, new { title = "kept" }, me).JsonAsync(HttpStatusCode.Created);
        var problem = await http.SendAsync(method, method is "POST" ? Todos : $"{Todos}/{made.GetProperty("id")}", body, me).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
        var kept = Assert.Single((await http.SendAsync("GET", Todos, token: me).JsonAsync()).GetProperty("items").EnumerateArray());
        Assert.Equal(made.GetRawText(), kept.GetRawText());
    }

    [Fact]
    [Trait("Covers", "N-16")]
    public async Task Every_field_that_is_too_long_is_named()
    {
        var me = await platform.UserTokenAsync("alice");
        var problem = await http.SendAsync("POST", Todos, new { title = new string('t', 201), text = new string('t', 2001) }, me)
            .ProblemAsync();
        Assert.Equal(["text", "title"], problem.Fields);
    }

    [Fact]
    [Trait("Covers", "N-16")]
    public async Task An_emoji_counts_as_one_of_the_200_characters_of_a_title()
    {
        var me = (await platform.NewUserAsync()).AccessToken;
        var title = string.Concat(Enumerable.Repeat("🎉", 200));
        Assert.Equal(
            title,
            (await http.SendAsync("POST", Todos, new { title }, me).JsonAsync(HttpStatusCode.Created)).GetProperty("title").GetString());
        Assert.Equal(["title"], (await http.SendAsync("POST", Todos, new { title = title + "🎉" }, me).ProblemAsync()).Fields);
    }

    [Fact]
    [Trait("Covers", "N-12")]
    public async Task A_list_is_filtered_and_paged()
    {
        var me = (await platform.NewUserAsync()).AccessToken;
        foreach (var (title, completed) in new[] { ("a_b", false), ("axb", true), ("A_B again", true), ("none", true) })
        {
            await http.SendAsync("POST", Todos, new { title, completed }, me).JsonAsync(HttpStatusCode.Created);
        }

        Assert.Equal(["a_b", "A_B again"], await TitlesAsync("?search=A_b"), StringComparer.Ordinal);
        Assert.Equal(["A_B again"], await TitlesAsync("?search=a_b&completed=true"), StringComparer.Ordinal);
        Assert.Equal(["a_b"], await TitlesAsync("?completed=false"), StringComparer.Ordinal);
        Assert.Empty(await TitlesAsync("?search=%25"));

        var first = await http.SendAsync("GET", Todos + "?completed=true&limit=2", token: me).JsonAsync();
        var second = await http.SendAsync("GET", $"{Todos}?completed=true&limit=2&cursor={first.Text("nextCursor")}", token: me)
            .JsonAsync();
        Assert.Equal(["axb", "A_B again", "none"], Titles(first).Concat(Titles(second)), StringComparer.Ordinal);
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);

        async Task<IEnumerable<string>> TitlesAsync(string query) =>
            Titles(await http.SendAsync("GET", Todos + query, token: me).JsonAsync());
        static IEnumerable<string> Titles(JsonElement page) =>
            page.GetProperty("items").EnumerateArray().Select(todo => todo.Text("title"));
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Another_users_to_do_is_not_found()
    {
        var (mine, theirs) = ((await platform.NewUserAsync()).AccessToken, (await platform.NewUserAsync()).AccessToken);
        using var made = await http.SendAsync("POST", Todos, new { title = "private" }, mine);
        var one = made.Headers.Location!.ToString();
        foreach (var (method, body) in new (string, object?)[]
        {
            ("GET", null), ("PUT", new { title = "x" }), ("PATCH", new { title = "x" }), ("DELETE", null)
        })
        {
            Assert.Equal(HttpStatusCode.NotFound, (await http.SendAsync(method, one, body, theirs).ProblemAsync()).Status);
        }

        Assert.Equal("private", (await http.SendAsync("GET", one, token: mine).JsonAsync()).Text("title"));
    }

    [Fact]
    public async Task The_demo_to_dos_belong_to_the_demo_users_of_Users()
    {
        var alice = await http.SendAsync("GET", Todos + "?search=party", token: await platform.UserTokenAsync("alice")).JsonAsync();
        Assert.Single(alice.GetProperty("items").EnumerateArray());
        var bob = await http.SendAsync("GET", Todos, token: await platform.UserTokenAsync("bob")).JsonAsync();
        Assert.Equal(2, bob.GetProperty("items").GetArrayLength());
    }
}
