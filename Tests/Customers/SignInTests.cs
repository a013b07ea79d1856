using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class SignInTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "A-LO-01")]
    [Trait("Covers", "A-LO-02")]
    public async Task An_unknown_email_and_a_wrong_password_get_the_same_answer()
    {
        var unknown = await http.SendAsync("POST", Accounts.Login, new { email = Accounts.NewEmail(), password = TestPlatform.Password })
            .ProblemAsync();
        var wrong = await http.SendAsync("POST", Accounts.Login, new { email = "nonadmin4@email.com", password = "wrongPass123" })
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, unknown.Status);
        Assert.Empty(unknown.Fields);
        Assert.Equivalent(unknown, wrong, strict: true);
    }

    [Fact]
    [Trait("Covers", "A-LO-03")]
    public async Task The_right_password_returns_tokens_that_identify_the_customer()
    {
        var email = Accounts.NewEmail("login");
        await platform.RegisterAsync(email);
        using var response = await http.SendAsync("POST", Accounts.Login, new { email, password = TestPlatform.Password });
        var pair = await Task.FromResult(response).JsonAsync();
        Assert.Equal(
            ["accessToken", "expiresIn", "refreshToken", "tokenType"],
            pair.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal(("Bearer", 900), (pair.Text("tokenType"), pair.GetProperty("expiresIn").GetInt32()));
        Assert.Contains("no-store", response.Headers.CacheControl?.ToString(), StringComparison.Ordinal);
        var me = await http.SendAsync("GET", Accounts.Me, token: pair.Text("accessToken")).JsonAsync();
        Assert.Equal(
            (email, "First", "Last", false),
            (me.Text("email"), me.Text("firstName"), me.Text("lastName"), me.GetProperty("isAdmin").GetBoolean()));
    }

    [Fact]
    [Trait("Covers", "N-09")]
    public async Task Sign_in_ignores_the_case_of_the_email()
    {
        var email = Accounts.NewEmail("Mixed.Ärger");
        await platform.RegisterAsync(email);
        await http.LoginAsync(email.ToUpperInvariant());
        await http.LoginAsync(email.ToLowerInvariant());
    }

    [Fact]
    [Trait("Covers", "N-11")]
    public async Task Credentials_in_the_query_string_are_ignored()
    {
        var problem = await http.SendAsync("POST", $"{Accounts.Login}?email=nonadmin3@email.com&password={TestPlatform.Password}", new { })
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["email", "password"], problem.Fields);
    }

    [Theory]
    [InlineData("{}", "email,password")]
    [InlineData("""{"email":"a","password":"b\u0000"}""", "password")]
    [InlineData("""{"email":1,"password":"b"}""", "email")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_body_is_a_bad_request(string body, string fields)
    {
        var problem = await http.SendAsync("POST", Accounts.Login, body).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(fields.Split(','), problem.Fields);
    }

    [Fact]
    [Trait("Covers", "N-10")]
    public async Task A_password_of_5000_characters_is_refused_before_it_is_hashed()
    {
        var account = await platform.RegisterAsync();
        // The stored hash is invalid, so every password that is hashed ends in 500.
        await using var db = await platform.Db("customersdb");
        await using var spoil = new Npgsql.NpgsqlCommand($"UPDATE customers SET password_hash = 'not base64!' WHERE id = {account.Id}", db);
        await spoil.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.InternalServerError,
            await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = new string('p', 128) }).StatusAsync());

        var problem = await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = new string('p', 5000) })
            .ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, "password"), (problem.Status, Assert.Single(problem.Fields)));
    }

    [Fact]
    public async Task Sign_in_fails_if_the_password_changes_during_the_password_check()
    {
        var account = await platform.RegisterAsync();
        await using var db = await platform.Db("customersdb");
        await using var change = await db.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync($"UPDATE customers SET password_hash = '{Convert.ToBase64String(new byte[61])}' WHERE id = {account.Id}");
        await ExecuteAsync($"DELETE FROM sessions WHERE account_id = {account.Id}");
        var login = http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password }).StatusAsync();
        await WaitForSomeoneBlockedAsync();
        await change.CommitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, await login);
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id));

        async Task ExecuteAsync(string sql)
        {
            await using var command = new Npgsql.NpgsqlCommand(sql, db);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Sign_in_fails_if_the_account_is_deleted_during_the_password_check()
    {
        var account = await platform.RegisterAsync();
        await using var db = await platform.Db("customersdb");
        await using var deletion = await db.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new Npgsql.NpgsqlCommand($"DELETE FROM customers WHERE id = {account.Id}", db))
        {
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        var login = http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password }).StatusAsync();
        await WaitForSomeoneBlockedAsync();
        await deletion.CommitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, await login);
    }

    private Task WaitForSomeoneBlockedAsync() => Eventually.TrueAsync(
        async () => await platform.QueryAsync<long>(
            "customersdb", "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0,
        "the login waits for the account");
}
