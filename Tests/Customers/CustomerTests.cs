using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class CustomerTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Covers", "A-UD-01")]
    public async Task A_customer_sees_every_field_of_its_own_account(bool byId)
    {
        var account = await platform.RegisterAsync();
        var me = await http.SendAsync("GET", byId ? One(account) : Accounts.Me, token: account.AccessToken).JsonAsync();
        Assert.Equal(
            (account.Id, account.Email, "First", "Last", false),
            (
                me.GetProperty("id").GetInt64(), me.Text("email"), me.Text("firstName"), me.Text("lastName"),
                me.GetProperty("isAdmin").GetBoolean()));
        Assert.Equal(6, me.EnumerateObject().Count());
        Assert.Equal(platform.Clock.GetUtcNow(), me.GetProperty("createdAt").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    [Trait("Covers", "A-UD-02")]
    [Trait("Covers", "N-05")]
    public async Task Reading_another_customer_is_forbidden_whether_or_not_it_exists()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        var existing = await http.SendAsync("GET", One(other), token: account.AccessToken).ProblemAsync();
        var missing = await http.SendAsync("GET", $"{Accounts.Collection}/999999", token: account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.Forbidden, existing.Status);
        Assert.Equivalent(existing, missing, strict: true);
    }

    [Fact]
    [Trait("Covers", "A-UD-04")]
    public async Task Another_customers_email_is_a_conflict_on_email()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        var problem = await http.SendAsync("PATCH", Accounts.Me, new { email = other.Email.ToUpperInvariant() }, account.AccessToken)
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, problem.Status);
        Assert.Equal(["email"], problem.Fields);
        Assert.Equal(account.Email, await EmailAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "A-UD-05")]
    public async Task Changing_the_email_changes_nothing_else()
    {
        var account = await platform.RegisterAsync();
        var email = Accounts.NewEmail("changed");
        var changed = await http.SendAsync("PATCH", One(account), new { email }, account.AccessToken).JsonAsync();
        Assert.Equal(
            (email, "First", "Last", false),
            (changed.Text("email"), changed.Text("firstName"), changed.Text("lastName"), changed.GetProperty("isAdmin").GetBoolean()));
        Assert.Equal(email, await EmailAsync(account.Id));
        await http.LoginAsync(email);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password }).StatusAsync());
    }

    [Fact]
    public async Task A_customer_may_change_the_case_of_its_email()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(
            account.Email.ToUpperInvariant(),
            (await http.SendAsync("PATCH", Accounts.Me, new { email = account.Email.ToUpperInvariant() }, account.AccessToken).JsonAsync())
                .Text("email"));
    }

    [Fact]
    [Trait("Covers", "A-UD-07")]
    public async Task A_customer_cannot_change_another_customer()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(
                "PATCH", One(other), new { email = Accounts.NewEmail("stolen") }, account.AccessToken).ProblemAsync()).Status);
        Assert.Equal(other.Email, await EmailAsync(other.Id));
    }

    [Fact]
    [Trait("Covers", "A-UD-09")]
    public async Task A_customer_cannot_delete_another_customer()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden, (await http.SendAsync("DELETE", One(other), token: account.AccessToken).ProblemAsync()).Status);
        Assert.Equal(other.Email, await EmailAsync(other.Id));
    }

    [Fact]
    [Trait("Covers", "A-UD-10")]
    public async Task A_customer_deletes_itself_and_its_tokens_are_refused_at_once()
    {
        var account = await platform.RegisterAsync();
        using var response = await http.SendAsync("DELETE", Accounts.Me, token: account.AccessToken);
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        Assert.Null(await EmailAsync(account.Id));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "A-UD-11")]
    public async Task An_admin_changes_another_customer()
    {
        var other = await platform.RegisterAsync();
        var email = Accounts.NewEmail("by-admin");
        await http.SendAsync("PATCH", One(other), new { email, firstName = "New" }, await platform.CustomerTokenAsync(Accounts.Admin))
            .JsonAsync();
        Assert.Equal(email, await EmailAsync(other.Id));
        Assert.Equal("New", await platform.QueryAsync<string>("customersdb", "SELECT first_name FROM customers WHERE id = $1", other.Id));
    }

    [Fact]
    [Trait("Covers", "A-UD-12")]
    public async Task An_admin_deletes_another_customer()
    {
        var other = await platform.RegisterAsync();
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", One(other), token: await platform.CustomerTokenAsync(Accounts.Admin)).StatusAsync());
        Assert.Null(await EmailAsync(other.Id));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: other.AccessToken).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-04")]
    public async Task A_customer_cannot_promote_itself()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(
                "PATCH", Accounts.Me, new { isAdmin = true, firstName = "Boss" }, account.AccessToken).ProblemAsync()).Status);
        Assert.False(await platform.QueryAsync<bool>("customersdb", "SELECT is_admin FROM customers WHERE id = $1", account.Id));
        Assert.Equal(
            "First", await platform.QueryAsync<string>("customersdb", "SELECT first_name FROM customers WHERE id = $1", account.Id));
    }

    [Fact]
    [Trait("Covers", "N-07")]
    public async Task Promotion_and_demotion_take_effect_at_once_for_issued_tokens()
    {
        var account = await platform.RegisterAsync();
        var admin = await platform.CustomerTokenAsync(Accounts.Admin);
        Assert.Equal(HttpStatusCode.Forbidden, await http.SendAsync("GET", Accounts.Collection, token: account.AccessToken).StatusAsync());
        await http.SendAsync("PATCH", One(account), new { isAdmin = true }, admin).JsonAsync();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Collection, token: account.AccessToken).StatusAsync());
        await http.SendAsync("PATCH", One(account), new { isAdmin = false }, admin).JsonAsync();
        Assert.Equal(HttpStatusCode.Forbidden, await http.SendAsync("GET", Accounts.Collection, token: account.AccessToken).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-10")]
    public async Task A_patch_without_any_value_is_a_bad_request()
    {
        var account = await platform.RegisterAsync();
        foreach (var body in new[] { "{}", """{"firstName":null}""", "" })
        {
            var problem = await http.SendAsync("PATCH", Accounts.Me, body, account.AccessToken).ProblemAsync();
            Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
            Assert.Equal(["body"], problem.Fields);
        }
    }

    [Theory]
    [InlineData("""{"firstName":"a\u0000"}""", "firstName")]
    [InlineData("""{"lastName":""}""", "lastName")]
    [InlineData("""{"email":"no"}""", "email")]
    [InlineData("""{"password":"longEnough1"}""", "password")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_patch_names_the_field_and_changes_nothing(string body, string field)
    {
        var account = await platform.RegisterAsync();
        var problem = await http.SendAsync("PATCH", Accounts.Me, body, account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
        Assert.Equal(
            "First", await platform.QueryAsync<string>("customersdb", "SELECT first_name FROM customers WHERE id = $1", account.Id));
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_writes_with_one_tag_succeeds()
    {
        var account = await platform.RegisterAsync();
        var tag = await TagAsync(account);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
            http.SendAsync("PATCH", Accounts.Me, new { firstName = $"Name {i}" }, account.AccessToken, ("If-Match", tag)).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(9, answers.Count(status => status == HttpStatusCode.PreconditionFailed));
    }

    [Fact]
    public async Task Signing_in_does_not_change_the_tag_of_a_customer()
    {
        var account = await platform.RegisterAsync();
        var tag = await TagAsync(account);
        await http.LoginAsync(account.Email);
        Assert.Equal(tag, await TagAsync(account));
    }

    [Fact]
    public async Task An_unknown_path_is_not_found_with_and_without_a_token()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await http.SendAsync("GET", "/api/v1/nothing").ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.SendAsync(
                "GET", "/api/v1/nothing", token: await platform.CustomerTokenAsync(Accounts.Admin)).ProblemAsync()).Status);
    }

    private static string One(Account account) => $"{Accounts.Collection}/{account.Id}";

    private async Task<string> TagAsync(Account account)
    {
        using var response = await http.SendAsync("GET", Accounts.Me, token: account.AccessToken);
        return response.Headers.ETag!.Tag;
    }

    private Task<string?> EmailAsync(long id) =>
        platform.QueryAsync<string>("customersdb", "SELECT email FROM customers WHERE id = $1", id);
}
