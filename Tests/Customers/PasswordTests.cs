using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class PasswordTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Path = Accounts.Me + "/password";
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "A-CP-01")]
    public async Task Two_different_new_passwords_are_refused()
    {
        var account = await platform.RegisterAsync();
        var problem = await http.SendAsync(
            "PUT", Path, new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another124" },
            account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["confirmNewPassword"], problem.Fields);
        await http.LoginAsync(account.Email);
    }

    [Fact]
    [Trait("Covers", "A-CP-02")]
    public async Task After_a_password_change_only_the_new_password_signs_in()
    {
        var account = await platform.RegisterAsync();
        await ChangeAsync(account).JsonAsync();
        await http.LoginAsync(account.Email, "another123");
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password }).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-06")]
    public async Task A_password_change_ends_every_session_except_the_one_it_returns()
    {
        var account = await platform.RegisterAsync();
        var elsewhere = await http.LoginAsync(account.Email);
        using var response = await ChangeAsync(account);
        var pair = await Task.FromResult(response).JsonAsync();
        Assert.Contains("no-store", response.Headers.CacheControl?.ToString(), StringComparison.Ordinal);
        foreach (var old in new[] { account, elsewhere })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: old.AccessToken).StatusAsync());
            Assert.Equal(
                HttpStatusCode.Unauthorized,
                await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = old.RefreshToken }).StatusAsync());
        }

        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: pair.Text("accessToken")).StatusAsync());
        Assert.Equal(
            HttpStatusCode.OK,
            await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = pair.Text("refreshToken") }).StatusAsync());
    }

    [Theory]
    [InlineData("""{"newPassword":"another123","confirmNewPassword":"another123"}""", "currentPassword")]
    [InlineData("""{"currentPassword":"","newPassword":"another123","confirmNewPassword":"another123"}""", "currentPassword")]
    [InlineData("""{"currentPassword":"wrongPass123","newPassword":"another123","confirmNewPassword":"another123"}""", "currentPassword")]
    [InlineData("""{"currentPassword":"testPass123","newPassword":"short","confirmNewPassword":"short"}""", "newPassword")]
    [InlineData("{}", "confirmNewPassword,newPassword")]
    [Trait("Covers", "N-06")]
    public async Task A_refused_change_names_the_field_and_keeps_password_and_session(string body, string fields)
    {
        var account = await platform.RegisterAsync();
        var problem = await http.SendAsync("PUT", Path, body, account.AccessToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(fields.Split(','), problem.Fields);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
        await http.LoginAsync(account.Email);
    }

    [Fact]
    public async Task An_admin_changes_another_customers_password_without_knowing_it()
    {
        var account = await platform.RegisterAsync();
        var body = new { newPassword = "another123", confirmNewPassword = "another123" };
        using var reset = await http.SendAsync("PUT", $"{Accounts.Collection}/{account.Id}/password", body,
            await platform.CustomerTokenAsync(Accounts.Admin));
        Assert.Equal(HttpStatusCode.NoContent, reset.StatusCode);
        Assert.Empty(await reset.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
        await http.LoginAsync(account.Email, "another123");
    }

    [Fact]
    public async Task An_admin_needs_the_current_password_to_change_its_own()
    {
        var admin = await platform.RegisterAsync(isAdmin: true);
        var body = new { newPassword = "another123", confirmNewPassword = "another123" };
        Assert.Equal(
            ["currentPassword"],
            (await http.SendAsync("PUT", $"{Accounts.Collection}/{admin.Id}/password", body, admin.AccessToken).ProblemAsync()).Fields);
    }

    [Fact]
    public async Task A_customer_cannot_change_another_customers_password()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        var body = new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another123" };
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await http.SendAsync("PUT", $"{Accounts.Collection}/{other.Id}/password", body, account.AccessToken).StatusAsync());
        await http.LoginAsync(other.Email);
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_changes_succeeds_and_one_session_remains()
    {
        var account = await platform.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => ChangeAsync(account).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(1, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id));
    }

    private Task<HttpResponseMessage> ChangeAsync(Account account) => http.SendAsync(
        "PUT", Path, new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another123" },
        account.AccessToken);
}
