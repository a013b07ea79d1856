using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using Microsoft.IdentityModel.JsonWebTokens;

namespace MicroPlatform.Tests.Users;

/// <summary>Accounts as REST clients see them; the rules that gRPC shares are in <see cref="AccountGrpcTests"/>.</summary>
public sealed class AccountApiTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("users");

    [Fact]
    public async Task A_new_account_is_found_at_its_location()
    {
        var username = NewUsers.NewName("Zoë");
        using var created = await http.SendAsync(
            "POST", NewUsers.Collection, new { username, password = TestPlatform.Password, email = "Zoe@Example.com" });
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        var me = await http.SignInAsync(username.ToUpperInvariant());
        var shown = await http.SendAsync("GET", created.Headers.Location!.ToString(), token: me.AccessToken).JsonAsync();
        Assert.Equal(
            ["createdAt", "email", "id", "role", "username"],
            shown.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal((username, "Zoe@Example.com", "user"), (shown.Text("username"), shown.Text("email"), shown.Text("role")));
        Assert.Equal(7, shown.GetProperty("id").GetGuid().Version);
    }

    [Fact]
    public async Task Token_answers_are_not_cached_and_tokens_can_be_refreshed_and_revoked()
    {
        using var response = await http.SendAsync("POST", NewUsers.Login, new { username = "ALICE", password = TestPlatform.Password });
        Assert.Equal("no-store", response.Headers.CacheControl?.ToString());
        var tokens = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal(
            ["accessToken", "expiresIn", "refreshToken", "tokenType"],
            tokens.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        var refreshed = await http.SendAsync("POST", NewUsers.Collection + "/refresh", new { refreshToken = tokens.Text("refreshToken") })
            .JsonAsync();
        await http.SendAsync("POST", NewUsers.Collection + "/logout", new { refreshToken = refreshed.Text("refreshToken") })
            .JsonAsync(HttpStatusCode.NoContent);
        var after = await http.SendAsync("GET", NewUsers.Me, token: refreshed.Text("accessToken")).ProblemAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, after.Status);
    }

    [Fact]
    [Trait("Covers", "N-11")]
    public async Task Credentials_in_the_query_string_are_ignored()
    {
        var query = $"?username=alice&password={TestPlatform.Password}";
        Assert.Equal(HttpStatusCode.BadRequest, await http.SendAsync("POST", NewUsers.Login + query).StatusAsync());
        var problem = await http.SendAsync("POST", NewUsers.Login + query, new { }).ProblemAsync();
        Assert.Equal(["password", "username"], problem.Fields);
    }

    [Fact]
    [Trait("Covers", "N-09")]
    public async Task One_of_twenty_concurrent_equal_registrations_succeeds_and_the_rest_conflict()
    {
        var username = NewUsers.NewName();
        var statuses = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => http.SendAsync(
            "POST", NewUsers.Collection,
            new
            {
                username = i % 2 == 0 ? username : username.ToUpperInvariant(),
                password = TestPlatform.Password,
                email = $"{username}@example.com",
            }).StatusAsync()));
        Assert.Single(statuses, HttpStatusCode.Created);
        Assert.Equal(19, statuses.Count(status => status == HttpStatusCode.Conflict));
        Assert.Equal(1, await platform.QueryAsync<long>("usersdb", "SELECT count(*) FROM users WHERE lower(username) = $1", username));
    }

    [Fact]
    public async Task An_idempotency_key_is_ignored_and_not_stored()
    {
        var request = new { username = NewUsers.NewName(), password = TestPlatform.Password, email = $"{Guid.NewGuid():N}@example.com" };
        var key = ("Idempotency-Key", "signup-1");
        await http.SendAsync("POST", NewUsers.Collection, request, token: null, key).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(HttpStatusCode.Conflict, await http.SendAsync("POST", NewUsers.Collection, request, token: null, key).StatusAsync());
        Assert.Equal(HttpStatusCode.Created, await http.SendAsync("POST", NewUsers.Collection,
            request with { username = NewUsers.NewName(), email = "x" + request.email }, token: null, key).StatusAsync());
        Assert.Equal(0, await platform.QueryAsync<long>("usersdb", "SELECT count(*) FROM idempotency_keys"));
    }

    [Theory]
    [InlineData("POST", "", """{"username":"u","password":"password1","email":"u@example.com","role":"admin"}""", "role")]
    [InlineData("PATCH", "/me", """{"role":"admin"}""", "role")]
    [InlineData("PATCH", "/me", """{"id":"01900000-0000-7000-8000-000000000001"}""", "id")]
    [InlineData("PATCH", "/me", "{}", "body")]
    [InlineData("PATCH", "/me", "[]", "body")]
    [InlineData("PATCH", "/me", "null", "body")]
    [InlineData("PATCH", "/me", "", "body")]
    [InlineData("PATCH", "/me", """{"username":5}""", "username")]
    [InlineData("PATCH", "/me", """{"username":"nul\u0000"}""", "username")]
    [InlineData("PATCH", "/me", """{"username":"lone\ud800"}""", "username")]
    [InlineData("PATCH", "/me", """{"username":"twice","username":"twice"}""", "username")]
    [InlineData("PATCH", "/me", """{"username":"clerk7\u3164"}""", "username")]
    [InlineData("PATCH", "/me", """{"username":"clerk7\ufe0f"}""", "username")]
    [InlineData("PATCH", "/me", """{"email":""}""", "email")]
    [InlineData("PATCH", "/me", """{"email":"a\u200b@example.com"}""", "email")]
    [InlineData("PATCH", "/me", """{"email":"a@example.com."}""", "email")]
    [InlineData("PUT", "/me/password", """{"newPassword":"another123","confirmNewPassword":"another123"}""", "currentPassword")]
    [InlineData(
        "PUT", "/me/password", """{"currentPassword":"testPass123","newPassword":"another123","confirmNewPassword":"another124"}""",
        "confirmNewPassword")]
    [InlineData(
        "PUT", "/me/password", """{"currentPassword":"wrong","newPassword":"another123","confirmNewPassword":"another123"}""",
        "currentPassword")]
    [Trait("Covers", "N-04")]
    [Trait("Covers", "N-06")]
    [Trait("Covers", "N-10")]
    public async Task Bad_input_is_refused_with_the_field_named_and_changes_nothing(string method, string path, string body, string field)
    {
        var me = await platform.NewUserAsync();
        var before = await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken).JsonAsync();
        var problem = await http.SendAsync(method, NewUsers.Collection + path, body, me.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
        Assert.Equal(before.GetRawText(), (await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken).JsonAsync()).GetRawText());
    }

    [Fact]
    public async Task Changing_the_password_answers_with_the_tokens_of_a_new_session()
    {
        var me = await platform.NewUserAsync();
        var body = new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another123" };
        var tokens = await http.SendAsync("PUT", NewUsers.Me + "/password", body, me.AccessToken).JsonAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", NewUsers.Me, token: tokens.Text("accessToken")).StatusAsync());
        Assert.Equal(me.Username, (await http.SignInAsync(me.Username, "another123")).Username);
    }

    [Fact]
    public async Task A_write_with_a_stale_tag_is_refused_and_with_the_current_tag_succeeds()
    {
        var me = await platform.NewUserAsync();
        using var shown = await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken);
        var tag = shown.Headers.ETag!.ToString();
        using var changed = await http.SendAsync("PATCH", NewUsers.Me, new { email = "a-" + me.Email }, me.AccessToken, ("If-Match", tag));
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.NotEqual(tag, changed.Headers.ETag!.ToString(), StringComparer.Ordinal);
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("PATCH", NewUsers.Me, new { email = "b-" + me.Email }, me.AccessToken, ("If-Match", tag)).StatusAsync());
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("DELETE", NewUsers.Me, body: null, me.AccessToken, ("If-Match", tag)).StatusAsync());
        Assert.Equal(
            ["If-Match"],
            (await http.SendAsync("DELETE", NewUsers.Me, body: null, me.AccessToken, ("If-Match", "yesterday's")).ProblemAsync()).Fields);
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", NewUsers.Me, body: null, me.AccessToken, ("If-Match", changed.Headers.ETag!.ToString()))
                .StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-05")]
    public async Task A_user_cannot_see_other_users_or_learn_which_users_exist()
    {
        var (me, other) = (await platform.NewUserAsync(), await platform.NewUserAsync());
        var existing = await http.SendAsync("GET", $"{NewUsers.Collection}/{other.Id}", token: me.AccessToken).ProblemAsync();
        var missing = await http.SendAsync("GET", $"{NewUsers.Collection}/{Guid.NewGuid()}", token: me.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.Forbidden, existing.Status);
        Assert.Equivalent(existing, missing, strict: true);
        Assert.Equal(
            HttpStatusCode.NotFound,
            await http.SendAsync("GET", $"{NewUsers.Collection}/{Guid.NewGuid()}", token: await platform.UserTokenAsync("admin"))
                .StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-02")]
    public async Task Forged_tokens_are_refused_and_the_next_valid_token_works()
    {
        var me = await platform.NewUserAsync();
        foreach (var (name, token) in (await Forgery.CreateAsync(platform, "users", me.AccessToken)).Tokens())
        {
            Assert.True(await http.SendAsync("GET", NewUsers.Me, token: token).StatusAsync() == HttpStatusCode.Unauthorized, name);
        }

        Assert.Equal(
            me.Username,
            (await http.SendAsync(
                "GET", NewUsers.Me,
                token: (await Forgery.CreateAsync(platform, "users", me.AccessToken)).Make()).JsonAsync()).Text("username"));
    }

    [Fact]
    public async Task A_token_of_the_shop_is_refused() => Assert.Equal(
        HttpStatusCode.Unauthorized, await http.SendAsync("GET", NewUsers.Me, token: await platform.CustomerTokenAsync("admin1@email.com"))
            .StatusAsync());

    [Fact]
    public async Task Access_tokens_contain_only_the_claims_of_the_contract()
    {
        var token = new JsonWebToken(await platform.UserTokenAsync("clerk"));
        Assert.Equal(
            ["aud", "exp", "iat", "iss", "jti", "role", "sid", "sub"],
            token.Claims.Select(claim => claim.Type).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal("staff", token.GetClaim("role").Value);
    }
}
