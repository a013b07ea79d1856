using System.Globalization;
using System.Net;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Platform;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace MicroPlatform.Tests.Browser;

/// <summary>The board, as staff see it.</summary>
public sealed class BoardTests(RunningPlatform platform, Chromium chromium) : BrowserTest(platform, chromium)
{
    [Fact]
    public async Task Staff_sign_in_and_see_an_order_arrive()
    {
        await using var window = await OpenAsync();
        var page = window.Page;
        await SignInAsync(page, "clerk");
        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        var confirmed = page.Locator("[data-figure=confirmed]");
        await Expect(confirmed).Not.ToHaveTextAsync("–"); // the stream is open before its first event is there
        var before = await ShownAsync();
        await AccessibleAsync(page);

        using var http = Platform.Http();
        var clerk = await TokenAsync(http, "clerk");
        Assert.Equal(HttpStatusCode.Created, await http.SendAsync("POST", "/api/v1/sales/orders", new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } }, clerk).StatusAsync());
        await Eventually.TrueAsync(async () => await ShownAsync() > before, "the order is counted", seconds: 30);
        await Expect(page.Locator("#revenue-total")).ToContainTextAsync("in all");
        await Expect(page.Locator("#chart svg rect.some")).Not.ToHaveCountAsync(0);

        var sku = $"RARE-{Guid.NewGuid():N}"[..20];
        Assert.Equal(HttpStatusCode.Created, await http.SendAsync("POST", "/api/v1/warehouse/items", new { sku, name = sku, countryOfOrigin = "Wales", price = 1.00m, quantity = 2 }, clerk).StatusAsync());
        await Expect(page.Locator("#low")).ToContainTextAsync(sku);

        // The numbers behind the bars.
        await page.GetByText("As a table").ClickAsync();
        await Expect(page.Locator("#days tr")).ToHaveCountAsync(14);
        await Expect(page.Locator("#days tr").Last).ToContainTextAsync(DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));

        // A number, not the text: an order of another test may still be on its way, and two be counted at once.
        async Task<int> ShownAsync() => int.TryParse(await confirmed.InnerTextAsync(), NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out var shown) ? shown : 0;
    }

    [Fact]
    public async Task A_session_lasts_as_long_as_its_tab_and_leaves_no_cookie()
    {
        await using var window = await OpenAsync(ColorScheme.Dark);
        var page = window.Page;
        await SignInAsync(page, "clerk");
        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        await page.ReloadAsync();
        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        await AccessibleAsync(page);

        var other = await page.Context.NewPageAsync();
        await other.GotoAsync("/");
        await Expect(other.Locator("#sign-in")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(page.Locator("#sign-in")).ToBeVisibleAsync();
        Assert.Equal(0, await page.EvaluateAsync<int>("() => sessionStorage.length + localStorage.length"));
        Assert.Empty(await page.Context.CookiesAsync());
    }

    [Fact]
    public async Task A_token_that_expires_while_nobody_can_renew_it_is_renewed_as_soon_as_someone_can()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of"; // 401 and 503
        var page = window.Page;
        await page.RouteAsync("**/api/v1/users/refresh", route => route.FulfillAsync(new() { Status = 503 }), new() { Times = 1 });
        await page.GotoAsync("/scalar/");
        await ExpiredSessionAsync(page);

        await page.GotoAsync("/");

        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        Assert.Equal([503, 200], window.Responses.Where(response => response.Url.EndsWith("/api/v1/users/refresh", StringComparison.Ordinal)).Select(response => response.Status));
    }

    [Fact]
    public async Task Who_may_not_see_it_is_told_why()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 40";
        var page = window.Page;
        await SignInAsync(page, "clerk", "not the password");
        await Expect(page.Locator("#sign-in-error")).Not.ToBeEmptyAsync();
        await AccessibleAsync(page);
        await SignInAsync(page, "alice");
        await Expect(page.Locator("#sign-in-error")).ToHaveTextAsync("This account is not staff; the board is for staff only.");
        await Expect(page.Locator("#live")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task Without_a_service_the_rest_of_it_stays_and_says_what_is_missing()
    {
        await using var window = await OpenAsync();
        var page = window.Page;
        await SignInAsync(page, "clerk");
        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        await Platform.Engine.StopServiceAsync("warehouse");
        try
        {
            await Expect(page.Locator("#missing")).ToContainTextAsync("Without warehouse");
            await Expect(page.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        }
        finally
        {
            await Platform.Engine.StartServiceAsync("warehouse");
        }

        await Expect(page.Locator("#missing")).ToBeEmptyAsync();
    }

    private static async Task SignInAsync(IPage page, string username, string password = TestPlatform.Password)
    {
        await page.GotoAsync("/");
        await page.GetByLabel("Username").FillAsync(username);
        await page.GetByLabel("Password").FillAsync(password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
    }
}
