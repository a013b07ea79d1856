using System.Text.Json;
using Deque.AxeCore.Playwright;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Platform;
using Microsoft.Playwright;

namespace MicroPlatform.Tests.Browser;

/// <summary>A test that uses the running platform in a browser.</summary>
[Collection(PlatformTestGroup.Name)]
public abstract class BrowserTest(RunningPlatform platform, Chromium chromium)
{
    protected RunningPlatform Platform { get; } = platform;

    /// <summary>The Gateway's address for a browser.</summary>
    protected Uri Origin
    {
        get
        {
            using var http = Platform.Http();
            return http.BaseAddress!;
        }
    }

    private protected Task<Window> OpenAsync(ColorScheme scheme = ColorScheme.Light, bool javaScript = true, int width = 1280) =>
        chromium.OpenAsync(Origin, scheme, javaScript, width);

    /// <summary>Fails when axe finds a serious or critical accessibility violation.</summary>
    protected static async Task AccessibleAsync(IPage page)
    {
        var found = await page.RunAxe();
        var grave = found.Violations.Where(violation => violation.Impact is "serious" or "critical").ToList();
        Assert.True(grave.Count == 0, string.Join(Environment.NewLine, grave.Select(violation =>
            $"{page.Url}: {violation.Impact} {violation.Id}: {violation.Help}: "
                + $"{string.Join("; ", violation.Nodes.Select(node => node.Html))}")));
        Assert.NotEmpty(found.Passes);
    }

    /// <summary>An access token of a user, requested without the browser.</summary>
    protected static async Task<string> TokenAsync(HttpClient http, string username) =>
        (await LoginAsync(http, username)).GetProperty("accessToken").GetString()!;

    /// <summary>Signs the page's tab in with a token that is no longer accepted and can be renewed.</summary>
    protected async Task ExpiredSessionAsync(IPage page)
    {
        using var http = Platform.Http();
        var refresh = (await LoginAsync(http, "clerk")).GetProperty("refreshToken").GetString();
        await page.EvaluateAsync("""
            refresh => {
              const session = { id: '1', renewals: 0, name: 'clerk', token: 'expired', refresh };
              sessionStorage.setItem('microplatform.user', JSON.stringify(session));
            }
            """, refresh);
    }

    private static Task<JsonElement> LoginAsync(HttpClient http, string username) =>
        http.SendAsync("POST", "/api/v1/users/login", new { username, password = TestPlatform.Password }).JsonAsync();
}
