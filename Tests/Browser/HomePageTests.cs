using MicroPlatform.Tests.Platform;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace MicroPlatform.Tests.Browser;

/// <summary>The first page in a browser.</summary>
[Trait("Speed", "slow")]
public sealed class HomePageTests(RunningPlatform platform, Chromium chromium) : BrowserTest(platform, chromium)
{
    private static readonly string[] Services = ["Gateway", "Customers", "Cart", "Sales", "Warehouse", "Accounting", "Users", "Todo"];

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task The_page_shows_every_service_as_ready_and_is_accessible(ColorScheme scheme)
    {
        await using var window = await OpenAsync(scheme);
        await window.Page.GotoAsync("/");
        await Expect(window.Page.Locator("#overall")).ToHaveTextAsync("All 8 services are ready");
        await Expect(window.Page.Locator("[data-service] .state[data-state=ready]")).ToHaveCountAsync(Services.Length);
        await Expect(window.Page.Locator("[data-node][data-state=ready]")).ToHaveCountAsync(Services.Length);
        await AccessibleAsync(window.Page);
        await window.Page.GotoAsync("/protos/");
        await AccessibleAsync(window.Page);
    }

    [Fact]
    public async Task Without_JavaScript_the_page_shows_everything_except_the_live_parts()
    {
        await using var window = await OpenAsync(javaScript: false);
        await window.Page.GotoAsync("/");
        await Expect(window.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeVisibleAsync();
        foreach (var service in Services)
        {
            await Expect(window.Page.Locator("#services strong", new() { HasTextString = service })).ToBeVisibleAsync();
        }

        await Expect(window.Page.Locator("noscript")).ToHaveCountAsync(2);
        await Expect(window.Page.Locator("#sign-in")).ToBeHiddenAsync();
        await Expect(window.Page.Locator("#live")).ToBeHiddenAsync();
        await window.Page.GetByRole(AriaRole.Link, new() { Name = "Open the API reference" }).ClickAsync();
        Assert.EndsWith("/scalar/", window.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_and_its_resources_are_smaller_than_50_KB()
    {
        await using var window = await OpenAsync();
        await window.Page.GotoAsync("/");
        await Expect(window.Page.Locator("#overall")).ToHaveAttributeAsync("data-state", "ready");
        var weight = 0;
        foreach (var response in window.Responses.Where(response => !response.Url.EndsWith("/stream", StringComparison.Ordinal)))
        {
            weight += (await response.BodyAsync()).Length;
        }

        Assert.InRange(window.Responses.Count, 4, 8);
        Assert.InRange(weight, 20_000, 50_000);
    }

    [Theory]
    [InlineData(320)]
    [InlineData(390)]
    [InlineData(768)]
    [InlineData(1280)]
    public async Task The_page_fits_every_width(int width)
    {
        await using var window = await OpenAsync(width: width);
        await window.Page.GotoAsync("/");
        await Expect(window.Page.Locator("#overall")).ToHaveAttributeAsync("data-state", "ready");
        Assert.Equal(width, await window.Page.EvaluateAsync<int>("() => Math.max(innerWidth, document.documentElement.scrollWidth)"));
    }

    [Theory]
    [InlineData(320)]
    [InlineData(390)]
    public async Task On_a_phone_the_navigation_is_one_row(int width)
    {
        await using var window = await OpenAsync(width: width);
        foreach (var path in new[] { "/", "/protos/", "/nothing-here" })
        {
            window.Expected = "the server responded with a status of 404";
            await window.Page.GotoAsync(path);
            var rows = await window.Page.EvaluateAsync<double[]>("""
                () => [...document.querySelectorAll('header nav a')].map(link => link.getBoundingClientRect().top)
                """);
            Assert.Single(rows.Distinct());
            Assert.Equal(width, await window.Page.EvaluateAsync<int>("() => Math.max(innerWidth, document.documentElement.scrollWidth)"));
        }
    }

    [Fact]
    public async Task No_label_of_the_drawing_touches_a_wall()
    {
        await using var window = await OpenAsync();
        await window.Page.GotoAsync("/");
        Assert.Empty(await window.Page.EvaluateAsync<string[]>("""
            () => {
              const walls = [...document.querySelectorAll('.plan .walls path')], gap = 6;
              const touches = ({ x, y, width, height }) => {
                for (let px = x - gap; px <= x + width + gap; px++)
                  for (let py = y; py <= y + height; py += 4)
                    if (walls.some(wall => wall.isPointInStroke(new DOMPoint(px, py)))) return true;
                return false;
              };
              return [...document.querySelectorAll('.plan text')].filter(text => touches(text.getBBox())).map(text => text.textContent);
            }
            """));
    }

    [Fact]
    public async Task The_state_marker_is_centred_between_the_middles_of_lower_and_upper_case_letters()
    {
        await using var window = await OpenAsync();
        await window.Page.GotoAsync("/");
        await Expect(window.Page.Locator("#overall")).ToHaveAttributeAsync("data-state", "ready");
        var middles = await window.Page.EvaluateAsync<double[]>("""
            () => {
              const word = document.getElementById('overall'), mark = getComputedStyle(word, '::before');
              const canvas = document.createElement('canvas').getContext('2d');
              canvas.font = getComputedStyle(word).font;
              const middle = letter => canvas.measureText(letter).actualBoundingBoxAscent / 2;
              const border = mark.boxSizing === 'border-box' ? 0 : 2 * parseFloat(mark.borderTopWidth);
              const height = parseFloat(mark.height) + border;
              return [(parseFloat(mark.verticalAlign) || 0) + height / 2, middle('x'), middle('H')];
            }
            """);
        Assert.InRange(middles[0], middles[1], middles[2]);
    }

    [Fact]
    public async Task The_not_found_page_is_accessible_and_links_to_the_API_reference()
    {
        await using var window = await OpenAsync();
        window.Expected = "the server responded with a status of 404";
        await window.Page.GotoAsync("/nothing/here");
        await Expect(window.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Nothing here");
        await AccessibleAsync(window.Page);
        await window.Page.GetByRole(AriaRole.Link, new() { Name = "API reference" }).Last.ClickAsync();
        Assert.EndsWith("/scalar/", window.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_tab_stop_skips_the_navigation()
    {
        await using var window = await OpenAsync();
        await window.Page.GotoAsync("/");
        await window.Page.Keyboard.PressAsync("Tab");
        await Expect(window.Page.Locator(".skip")).ToBeFocusedAsync();
        await window.Page.Keyboard.PressAsync("Enter");
        await window.Page.Keyboard.PressAsync("Tab");
        await Expect(window.Page.GetByRole(AriaRole.Link, new() { Name = "Open the API reference" })).ToBeFocusedAsync();
    }

    [Fact]
    public async Task The_page_shows_when_a_service_stops_and_starts_again()
    {
        await using var window = await OpenAsync();
        await window.Page.GotoAsync("/");
        var todo = window.Page.Locator("[data-service=todo] .state");
        await Expect(todo).ToHaveTextAsync("ready");
        await Platform.Engine.StopServiceAsync("todo");
        try
        {
            await Expect(todo).ToHaveTextAsync("does not answer");
            await Expect(window.Page.Locator("#overall")).ToHaveTextAsync("7 of 8 services are ready; not so: Todo");
            await AccessibleAsync(window.Page);
        }
        finally
        {
            await Platform.Engine.StartServiceAsync("todo");
        }

        await Expect(todo).ToHaveTextAsync("ready");
    }
}
