using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Platform;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace MicroPlatform.Tests.Browser;

/// <summary>The board, as staff see it.</summary>
[Trait("Speed", "slow")]
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
        await Expect(confirmed).Not.ToHaveTextAsync("–"); // the page says Live before the first event arrives
        var before = await ShownAsync();
        await AccessibleAsync(page);
        await page.EvaluateAsync("""
            () => {
              window.seen = [];
              const read = name => document.querySelector(`[data-figure=${name}]`).textContent;
              new MutationObserver(() => window.seen.push(`${read('pending')} pending, ${read('confirmed')} confirmed`))
                .observe(document.querySelector('.orders'), { subtree: true, characterData: true, childList: true });
            }
            """);

        using var http = Platform.Http();
        var clerk = await TokenAsync(http, "clerk");
        Assert.Equal(
            HttpStatusCode.Created,
            await http.SendAsync(
                "POST", "/api/v1/sales/orders", new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } },
                clerk).StatusAsync());
        await Eventually.TrueAsync(async () => await ShownAsync() > before, "the order is counted");
        var seen = await page.EvaluateAsync<string[]>("() => window.seen");
        Assert.Contains($"1 pending, {before} confirmed", seen); // shown even if the warehouse answers at once
        Assert.Equal($"0 pending, {before + 1} confirmed", seen[^1]);
        await Expect(page.Locator("#revenue-total")).ToContainTextAsync("in all");
        await Expect(page.Locator("#chart svg rect.some")).Not.ToHaveCountAsync(0);

        var sku = $"RARE-{Guid.NewGuid():N}"[..20];
        Assert.Equal(
            HttpStatusCode.Created,
            await http.SendAsync(
                "POST", "/api/v1/warehouse/items", new { sku, name = sku, countryOfOrigin = "Wales", price = 1.00m, quantity = 2 },
                clerk).StatusAsync());
        await Expect(page.Locator("#low")).ToContainTextAsync(sku);

        // The table has the numbers of the bar chart.
        await page.GetByText("As a table").ClickAsync();
        await Expect(page.Locator("#days tr")).ToHaveCountAsync(14);
        await Expect(page.Locator("#days tr").Last)
            .ToContainTextAsync(DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));

        // Returns a number to compare: one event may also count an order of another test.
        async Task<int> ShownAsync() =>
            int.TryParse(await confirmed.InnerTextAsync(), NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out var shown)
                ? shown
                : 0;
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
    public async Task A_token_renewal_that_fails_with_503_is_retried()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of"; // 401 and 503
        var page = window.Page;
        await page.RouteAsync("**/api/v1/users/refresh", route => route.FulfillAsync(new() { Status = 503 }), new() { Times = 1 });
        await page.GotoAsync("/scalar/");
        await ExpiredSessionAsync(page);

        await page.GotoAsync("/");

        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        Assert.Equal(
            [503, 200],
            window.Responses.Where(response => response.Url.EndsWith("/api/v1/users/refresh", StringComparison.Ordinal))
                .Select(response => response.Status));
    }

    [Fact]
    public async Task Duplicated_tabs_share_each_renewal_and_no_refresh_token_is_sent_twice()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 401"; // how a tab learns that the token has expired
        var page = window.Page;
        var sent = new ConcurrentQueue<string>();
        page.Context.Request += (_, request) =>
        {
            if (request.Url.EndsWith("/api/v1/users/refresh", StringComparison.Ordinal))
            {
                sent.Enqueue(request.PostData!);
            }
        };
        await page.GotoAsync("/scalar/");
        await ExpiredSessionAsync(page);
        var copy = await DuplicateAsync("/scalar/");
        var late = await DuplicateAsync("/protos/"); // this page has no script, so it does not learn of the renewal

        await Task.WhenAll(page.GotoAsync("/"), copy.GotoAsync("/"));
        await Expect(page.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        await Expect(copy.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        await late.GotoAsync("/");
        await Expect(late.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        Assert.Single(sent);

        // Whichever tab renews next, it sends the refresh token that the first renewal returned.
        foreach (var tab in new[] { page, copy, late })
        {
            await tab.EvaluateAsync("""
                () => {
                  const session = JSON.parse(sessionStorage.getItem('microplatform.user'));
                  sessionStorage.setItem('microplatform.user', JSON.stringify({ ...session, token: 'expired again' }));
                }
                """);
        }

        await late.ReloadAsync();
        await Expect(late.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        await copy.ReloadAsync();
        await Expect(copy.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        Assert.Equal(2, sent.Count);
        Assert.Equal(2, sent.Distinct(StringComparer.Ordinal).Count());

        Task<IPage> DuplicateAsync(string path) =>
            page.RunAndWaitForPopupAsync(() => page.EvaluateAsync("path => { window.open(path); }", path));
    }

    [Fact]
    public async Task Three_open_pages_share_one_stream_and_leave_connections_for_other_calls()
    {
        await using var window = await OpenAsync();
        var streams = 0;
        window.Page.Context.Request += (_, request) =>
            Interlocked.Add(ref streams, request.Url.EndsWith("/stream", StringComparison.Ordinal) ? 1 : 0);
        var pages = new List<IPage> { window.Page, await window.Page.Context.NewPageAsync(), await window.Page.Context.NewPageAsync() };
        foreach (var page in pages)
        {
            await SignInAsync(page, "clerk");
            await Expect(page.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
            Assert.Equal(200, await page.EvaluateAsync<int>("""
                async () => (await fetch('/api/v1/products', { signal: AbortSignal.timeout(20000) })).status
                """));
        }

        await Expect(pages[0].Locator("#link")).ToHaveTextAsync("Live");
        await Expect(pages[2].Locator("#link")).ToHaveTextAsync("Updated every 5 s");
        Assert.Equal(1, streams);

        // One of the remaining pages takes over the stream.
        await pages[0].CloseAsync();
        await Eventually.TrueAsync(
            async () => await IsLiveAsync(pages[1]) != await IsLiveAsync(pages[2]), "another page takes over the stream");

        static async Task<bool> IsLiveAsync(IPage page) => await page.Locator("#link").InnerTextAsync() is "Live";
    }

    [Fact]
    public async Task The_eleventh_viewer_of_one_account_is_told_of_the_limit_and_still_sees_the_board()
    {
        using var http = Platform.Http();
        http.DefaultRequestHeaders.Authorization = new("Bearer", await TokenAsync(http, "clerk"));
        var stream = new Uri("/api/v1/overview/board/stream", UriKind.Relative);
        var others = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ =>
            http.GetAsync(stream, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken)));
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 429";
        await SignInAsync(window.Page, "clerk");
        await Expect(window.Page.Locator("#link")).ToHaveTextAsync("Too many live views are open; updated every 5 s");
        await Expect(window.Page.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        await AccessibleAsync(window.Page);
        foreach (var other in others)
        {
            other.Dispose();
        }

        await Expect(window.Page.Locator("#link")).ToHaveTextAsync("Live");
    }

    [Fact]
    public async Task A_refusal_is_shown_with_its_status()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 503";
        var page = window.Page;
        await page.RouteAsync("**/overview/board/stream", route => route.FulfillAsync(new() { Status = 503 }));
        await SignInAsync(page, "clerk");
        await Expect(page.Locator("#link")).ToHaveTextAsync("No live view (503); updated every 5 s");
        await Expect(page.Locator("[data-figure=confirmed]")).Not.ToHaveTextAsync("–");
        await page.RouteAsync("**/overview/board", route => route.FulfillAsync(new() { Status = 503 }));
        await Expect(page.Locator("#link")).ToHaveTextAsync("The Gateway answers 503; trying again");
        await page.RouteAsync("**/health/services", route => route.FulfillAsync(new() { Status = 503 }));
        await Expect(page.Locator("#overall")).ToHaveTextAsync("The Gateway answers 503; trying again");
    }

    [Fact]
    public async Task A_refused_sign_in_shows_an_error()
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
    public async Task The_board_still_works_without_a_service_and_names_the_missing_one()
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
