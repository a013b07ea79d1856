using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class ExpiryTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "A-JT-01")]
    public async Task An_admin_token_lists_customers_and_is_refused_a_day_after_its_expiry()
    {
        var admin = await http.LoginAsync(Accounts.Admin);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Collection, token: admin.AccessToken).StatusAsync());
        platform.Clock.Advance(TimeSpan.FromMinutes(15) + TimeSpan.FromDays(1));
        using var refused = await http.SendAsync("GET", Accounts.Collection, token: admin.AccessToken);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Contains("lifetime", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_access_token_expires_after_fifteen_minutes()
    {
        var account = await platform.RegisterAsync();
        platform.Clock.Advance(TimeSpan.FromMinutes(15) - TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
        // One second until the expiry, and five by which the clocks of two machines may differ.
        platform.Clock.Advance(TimeSpan.FromSeconds(1 + 5));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
    }

    [Fact]
    public async Task A_session_can_be_refreshed_after_its_access_token_expires_and_ends_after_fourteen_days()
    {
        var account = await platform.RegisterAsync();
        platform.Clock.Advance(TimeSpan.FromDays(13));
        var next = await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = account.RefreshToken }).JsonAsync();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: next.Text("accessToken")).StatusAsync());
        platform.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", Accounts.Refresh, new { refreshToken = next.Text("refreshToken") }).StatusAsync());
    }
}
