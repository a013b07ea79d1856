using System.Net;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Platform;
using static Microsoft.Playwright.Assertions;

namespace MicroPlatform.Tests.Browser;

/// <summary>Aspire's dashboard, as a person opens it after <c>dotnet run --project AppHost</c>.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed partial class DashboardTests(Chromium chromium)
{
    [Fact]
    public async Task The_dashboard_shows_seventeen_healthy_resources_and_traces_of_requests_without_polling()
    {
        using var run = new AppHostRun(["--Ephemeral=true"], AspirePlatform.Unhurried);
        var ready = await run.ReadyAsync();
        using var gateway = new HttpClient { BaseAddress = new(Address().Match(ready).Value) };
        var dashboard = new Uri(Dashboard().Match(ready).Value);
        await using var window = await chromium.OpenAsync(new(dashboard, "/"));
        window.Expected = ""; // accepts every console message: the dashboard's scripts are not ours
        var page = window.Page;

        await page.GotoAsync(dashboard.AbsoluteUri);
        var rows = page.Locator("tr, fluent-data-grid-row");
        await Expect(rows.Filter(new() { HasText = "Running" })).ToHaveCountAsync(17);
        await Expect(rows.Filter(new() { HasTextRegex = Unhealthy() })).ToHaveCountAsync(0);

        var login = await gateway.SendAsync(
            "POST", "/api/v1/auth/login", new { email = "nonadmin3@email.com", password = TestPlatform.Password }).JsonAsync();
        var checkout = await gateway.SendAsync("POST", "/api/v1/carts/me/checkout", token: login.GetProperty("accessToken").GetString())
            .StatusAsync();
        Assert.Equal(HttpStatusCode.Accepted, checkout);
        await page.GotoAsync(new Uri(dashboard, "/traces").AbsoluteUri);
        await Expect(rows.Filter(new() { HasText = "POST /api/v1/carts/{customerId}/checkout" })).ToHaveCountAsync(1);
        await Expect(rows.Filter(new() { HasText = "gateway: POST" })).ToHaveCountAsync(2);
        await Expect(rows.Filter(new() { HasTextRegex = Polling() })).ToHaveCountAsync(0);
    }

    [GeneratedRegex(@"http://localhost:\d+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Address();

    [GeneratedRegex(@"http://localhost:\d+/login\?t=\w+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Dashboard();

    [GeneratedRegex("Unhealthy|Waiting|Finished|Exited", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Unhealthy();

    [GeneratedRegex("SELECT|LISTEN|/health", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Polling();
}
