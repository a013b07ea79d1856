using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class SessionTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task A_refresh_token_gives_the_next_pair_of_the_same_session()
    {
        var account = await platform.RegisterAsync();
        using var response = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken });
        var next = await Task.FromResult(response).JsonAsync();
        Assert.Contains("no-store", response.Headers.CacheControl?.ToString(), StringComparison.Ordinal);
        Assert.NotEqual(account.RefreshToken, next.Text("refreshToken"), StringComparer.Ordinal);
        Assert.NotEqual(account.AccessToken, next.Text("accessToken"), StringComparer.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await MeAsync(next.Text("accessToken")));
        Assert.Equal(1, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(10)]
    public async Task A_refresh_token_sent_again_within_ten_seconds_gives_another_pair_of_the_same_session(int seconds)
    {
        var account = await platform.RegisterAsync();
        var first = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync();
        platform.Clock.Advance(TimeSpan.FromSeconds(seconds));
        var second = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync();
        Assert.NotEqual(first.Text("refreshToken"), second.Text("refreshToken"), StringComparer.Ordinal);
        foreach (var pair in new[] { first, second })
        {
            Assert.Equal(HttpStatusCode.OK, await MeAsync(pair.Text("accessToken")));
            Assert.Equal(HttpStatusCode.OK, await RefreshAsync(pair.Text("refreshToken")));
        }

        Assert.Equal(1, await SessionsAsync(account));
    }

    [Fact]
    public async Task Reusing_a_refresh_token_does_not_extend_its_ten_second_grace_period()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(account.RefreshToken));
        platform.Clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(account.RefreshToken));
        platform.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.RefreshToken));
        Assert.Equal(0, await SessionsAsync(account));
    }

    [Fact]
    public async Task A_refresh_token_of_an_ended_session_is_refused_even_within_ten_seconds()
    {
        var account = await platform.RegisterAsync();
        var next = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync();
        var logout = http.SendAsync("POST", Accounts.Logout, new { refreshToken = next.Text("refreshToken") });
        Assert.Equal(HttpStatusCode.NoContent, await logout.StatusAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.RefreshToken));
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(next.Text("accessToken")));
        Assert.Equal(0, await SessionsAsync(account));
    }

    [Fact]
    public async Task A_refresh_token_sent_again_after_ten_seconds_ends_the_whole_family()
    {
        var account = await platform.RegisterAsync();
        var thief = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync();
        platform.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.RefreshToken));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(thief.Text("refreshToken")));
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(thief.Text("accessToken")));
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(account.AccessToken));
    }

    [Fact]
    public async Task The_end_of_a_token_family_does_not_end_another_session_of_the_account()
    {
        var account = await platform.RegisterAsync();
        var elsewhere = await http.LoginAsync(account.Email);
        await RefreshAsync(account.RefreshToken);
        platform.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.RefreshToken));
        Assert.Equal(HttpStatusCode.OK, await MeAsync(elsewhere.AccessToken));
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(elsewhere.RefreshToken));
    }

    [Fact]
    public async Task Concurrent_uses_of_one_refresh_token_all_continue_one_session()
    {
        var account = await platform.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ =>
            http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync()));
        Assert.Equal(10, answers.Select(pair => pair.Text("refreshToken")).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(1, await SessionsAsync(account));
    }

    [Fact]
    public async Task Concurrent_late_uses_of_one_refresh_token_are_all_refused_and_the_family_ends()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(account.RefreshToken));
        platform.Clock.Advance(TimeSpan.FromSeconds(11));
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => RefreshAsync(account.RefreshToken)));
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.Unauthorized, status));
        Assert.Equal(0, await SessionsAsync(account));
    }

    [Fact]
    public async Task Refreshing_while_signing_out_causes_no_server_error_and_leaves_no_session()
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => platform.RegisterAsync()));
        var answers = await Task.WhenAll(accounts.SelectMany(account => new[]
        {
            RefreshAsync(account.RefreshToken),
            http.SendAsync("POST", Accounts.Logout, new { refreshToken = account.RefreshToken }).StatusAsync(),
        }));
        Assert.All(
            answers, status => Assert.Contains(status, new[] { HttpStatusCode.OK, HttpStatusCode.NoContent, HttpStatusCode.Unauthorized }));
        foreach (var account in accounts)
        {
            Assert.Equal(
                0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id));
        }
    }

    [Fact]
    public async Task Signing_out_ends_the_session_at_once()
    {
        var account = await platform.RegisterAsync();
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("POST", Accounts.Logout, new { refreshToken = account.RefreshToken }).StatusAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(account.AccessToken));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.RefreshToken));
    }

    [Fact]
    public async Task Signing_out_twice_or_with_an_unknown_token_succeeds()
    {
        var account = await platform.RegisterAsync();
        foreach (var token in new[] { account.RefreshToken, account.RefreshToken, "made-up" })
        {
            Assert.Equal(
                HttpStatusCode.NoContent, await http.SendAsync("POST", Accounts.Logout, new { refreshToken = token }).StatusAsync());
        }
    }

    [Fact]
    public async Task Access_and_refresh_tokens_are_not_interchangeable()
    {
        var account = await platform.RegisterAsync();
        // An access token is longer than any refresh token, so validation refuses it.
        Assert.Equal(HttpStatusCode.BadRequest, await RefreshAsync(account.AccessToken));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(account.AccessToken[..100]));
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(account.RefreshToken));
    }

    [Fact]
    public async Task Refresh_tokens_are_stored_only_as_hashes()
    {
        var account = await platform.RegisterAsync();
        var dump = await platform.QueryAsync<string>("customersdb", "SELECT string_agg(row_to_json(t)::text, '') FROM refresh_tokens t");
        var hex = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(
            account.RefreshToken)));
        Assert.Contains(hex, dump, StringComparison.Ordinal);
        Assert.DoesNotContain(account.RefreshToken, dump, StringComparison.Ordinal);
    }

    private Task<long> SessionsAsync(Account account) =>
        platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", account.Id);

    private Task<HttpStatusCode> MeAsync(string token) => http.SendAsync("GET", Accounts.Me, token: token).StatusAsync();

    private Task<HttpStatusCode> RefreshAsync(string refreshToken) =>
        http.SendAsync("POST", Accounts.Refresh, new { refreshToken }).StatusAsync();
}
