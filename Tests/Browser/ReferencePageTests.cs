using System.Text.RegularExpressions;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Platform;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace MicroPlatform.Tests.Browser;

/// <summary>The API reference in a browser.</summary>
[Trait("Speed", "slow")]
public sealed partial class ReferencePageTests(RunningPlatform platform, Chromium chromium) : BrowserTest(platform, chromium)
{
    private static readonly string[] Documents = [.. TestPlatform.NamesWithGateway.Select(TestPlatform.ProjectOf)];

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task The_page_lists_every_document_and_shows_the_chosen_one(ColorScheme scheme)
    {
        await using var window = await OpenAsync(scheme);
        var page = window.Page;
        await page.GotoAsync("/scalar/");
        await page.Locator("button", new() { HasTextRegex = FirstDocument() }).First.ClickAsync();
        await Expect(page.GetByRole(AriaRole.Option)).ToHaveTextAsync(Documents);
        await page.GetByRole(AriaRole.Option, new() { Name = "Sales", Exact = true }).ClickAsync();
        await Expect(page.GetByText("/api/v1/sales/orders").First).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "MicroPlatform: Sales" })).ToBeVisibleAsync();
        await AccessibleAsync(page);
    }

    [Fact]
    public async Task Signing_in_on_the_page_authorizes_its_calls_and_the_board()
    {
        await using var window = await OpenAsync();
        var page = window.Page;
        await page.GotoAsync("/");
        await page.GetByRole(AriaRole.Link, new() { Name = "as a user or staff" }).ClickAsync();
        await Expect(page.Locator("#session")).ToHaveTextAsync("Not signed in");
        var login = await SendAsync(
            page, "users/tag/users/POST/api/v1/users/login", "/api/v1/users/login",
            $$"""{"username":"clerk","password":"{{TestPlatform.Password}}"}""");
        Assert.Equal(200, login.Status);
        await Expect(page.Locator("#session")).ToHaveTextAsync("Signed in as clerk; calls carry the token");

        await page.Keyboard.PressAsync("Escape");
        await Expect(page.GetByPlaceholder("sent for you, as clerk")).Not.ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Link, new() { Name = "Show your account" }).ClickAsync();
        var me = await SendAsync(page, "users/tag/users/GET/api/v1/users/me", "/api/v1/users/me");
        Assert.Equal(200, me.Status);
        Assert.StartsWith("Bearer ey", (await me.Request.AllHeadersAsync())["authorization"], StringComparison.Ordinal);
        Assert.Contains("clerk", await me.TextAsync(), StringComparison.Ordinal);

        // The tab is signed in to the board too, until it signs out.
        await page.GotoAsync("/");
        await Expect(page.Locator("#link")).ToHaveTextAsync("Live");
        await page.GotoAsync("/scalar/");
        await page.Locator("#sign-out").ClickAsync();
        await Expect(page.Locator("#session")).ToHaveTextAsync("Not signed in");
        Assert.Equal(0, await page.EvaluateAsync<int>("() => sessionStorage.length"));
    }

    [Theory]
    [InlineData(320)]
    [InlineData(390)]
    [InlineData(1280)]
    public async Task The_signed_in_account_is_fully_visible_at_every_width(int width)
    {
        await using var window = await OpenAsync(width: width);
        var page = window.Page;
        await page.GotoAsync("/scalar/");
        await ExpiredSessionAsync(page);
        await page.ReloadAsync();
        foreach (var part in new[] { page.Locator("#session"), page.Locator("#sign-out"), page.Locator(".ways") })
        {
            var box = await part.BoundingBoxAsync();
            Assert.NotNull(box);
            Assert.InRange(box.X + box.Width, 1, width);
        }

        await Expect(page.GetByPlaceholder("sent for you, as clerk")).Not.ToHaveCountAsync(0);
        await page.Locator("#sign-out").ClickAsync();
        await Expect(page.GetByPlaceholder("sign in above, or paste one")).Not.ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Concurrent_calls_with_an_expired_token_renew_it_once_and_all_succeed()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 401"; // how the page learns that the token has expired
        var page = window.Page;
        await page.GotoAsync("/scalar/");
        await ExpiredSessionAsync(page);

        var answers = await page.EvaluateAsync<int[]>("""
            async () => {
              const { customFetch } = (await import('/pages/scalar.js')).default;
              return Promise.all([1, 2, 3].map(async () => (await customFetch('/api/v1/users/me')).status));
            }
            """);

        Assert.Equal([200, 200, 200], answers);
        Assert.Single(window.Responses, response => response.Url.EndsWith("/api/v1/users/refresh", StringComparison.Ordinal));
    }

    /// <summary>Opens an operation's form, enters the body if there is one, sends the request, and waits for the answer.</summary>
    private static async Task<IResponse> SendAsync(IPage page, string operation, string path, string? body = null)
    {
        await page.Locator($"[id='{operation}']").GetByRole(AriaRole.Button, new() { NameRegex = TestRequest() }).ClickAsync();
        var form = page.GetByRole(AriaRole.Dialog);
        if (body is not null)
        {
            await form.Locator(".cm-content[contenteditable=true]").First.ClickAsync();
            await page.Keyboard.PressAsync("ControlOrMeta+A");
            await page.Keyboard.InsertTextAsync(body);
        }

        var response = await page.RunAndWaitForResponseAsync(
            () => form.GetByRole(AriaRole.Button, new() { NameRegex = Send() }).First.ClickAsync(),
            response => new Uri(response.Url).AbsolutePath.Equals(path, StringComparison.Ordinal));
        // Closing the form before the page shows the answer cancels the call, and the page logs an error.
        await Expect(form.GetByRole(AriaRole.Region, new() { Name = "Response" })).ToContainTextAsync($"{response.Status} ");
        return response;
    }

    [GeneratedRegex("^Customers$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FirstDocument();

    [GeneratedRegex("^Test Request", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TestRequest();

    [GeneratedRegex("^Send", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Send();
}
