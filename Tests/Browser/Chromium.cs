using Microsoft.Playwright;

namespace MicroPlatform.Tests.Browser;

/// <summary>
/// The browser of this machine, started when a test first needs it. Without a browser the test is skipped with a message.
/// </summary>
public sealed class Chromium : IAsyncLifetime
{
    private const string Variable = "CHROMIUM_PATH";

    private static readonly string[] OfWindows =
    [
        @"Google\Chrome\Application\chrome.exe", @"Chromium\Application\chrome.exe", @"Microsoft\Edge\Application\msedge.exe",
    ];
    private static readonly Environment.SpecialFolder[] FoldersOfWindows =
    [
        Environment.SpecialFolder.ProgramFiles, Environment.SpecialFolder.ProgramFilesX86, Environment.SpecialFolder.LocalApplicationData,
    ];
    private static readonly string[] OfMacOS = ["Google Chrome", "Chromium", "Microsoft Edge"];
    private static readonly string[] OfLinux = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];

    private readonly SemaphoreSlim starting = new(1, 1);
    private IPlaywright? playwright;
    private IBrowser? browser;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await (browser?.DisposeAsync() ?? ValueTask.CompletedTask);
        playwright?.Dispose();
        starting.Dispose();
    }

    /// <summary>A new window without history, storage or cookies, for pages of <paramref name="origin"/> only.</summary>
    internal async Task<Window> OpenAsync(Uri origin, ColorScheme scheme = ColorScheme.Light, bool javaScript = true, int width = 1280)
    {
        var executable = Candidates().FirstOrDefault(File.Exists);
        Assert.SkipWhen(
            executable is null, $"No Chromium, Chrome or Edge found; install one (apt install chromium), or name it in {Variable}.");
        await starting.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            playwright ??= await Playwright.CreateAsync();
            // Twice the longest wait measured on a slow machine with a busy platform.
            Assertions.SetDefaultExpectTimeout(30_000);
            browser ??= await playwright.Chromium.LaunchAsync(new()
            {
                ExecutablePath = executable,
                Args = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"],
            });
        }
        finally
        {
            starting.Release();
        }

        var context = await browser.NewContextAsync(new()
        {
            BaseURL = origin.AbsoluteUri,
            ColorScheme = scheme,
            JavaScriptEnabled = javaScript,
            ViewportSize = new() { Width = width, Height = 900 },
            Locale = "en-GB",
        });
        return new(context, await context.NewPageAsync(), origin);
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            return [named];
        }

        if (OperatingSystem.IsWindows())
        {
            return
                from folder in FoldersOfWindows
                from program in OfWindows
                select Path.Combine(Environment.GetFolderPath(folder), program);
        }

        return OperatingSystem.IsMacOS()
            ? OfMacOS.Select(name => $"/Applications/{name}.app/Contents/MacOS/{name}")
            : from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/bin")
                .Append("/snap/bin")
              from name in OfLinux
              select Path.Combine(folder, name);
    }
}

/// <summary>A window that records errors and requests. Closing it fails if it saw an error or a request to another origin.</summary>
internal sealed class Window : IAsyncDisposable
{
    private readonly IBrowserContext context;
    private readonly Uri origin;
    private readonly List<string> problems = [];
    private readonly List<IResponse> responses = [];

    public Window(IBrowserContext context, IPage page, Uri origin)
    {
        (this.context, Page, this.origin) = (context, page, origin);
        page.Console += (_, message) => Note(message.Type is "error" or "warning", $"{message.Type}: {message.Text} ({message.Location})");
        page.PageError += (_, error) => Note(isWrong: true, error);
        page.Request += (_, request) =>
            Note(
                !request.Url.StartsWith(origin.AbsoluteUri, StringComparison.Ordinal)
                    && new Uri(request.Url).Scheme is not ("data" or "blob"),
                $"requests another origin: {request.Url}");
        page.Response += (_, response) =>
        {
            lock (responses)
            {
                responses.Add(response);
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Text of the errors that the test expects.</summary>
    public string? Expected { get; set; }

    public IReadOnlyList<IResponse> Responses
    {
        get
        {
            lock (responses)
            {
                return [.. responses];
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await context.DisposeAsync();
        lock (problems)
        {
            Assert.True(problems.Count == 0, $"The browser reported problems at {origin}: {string.Join(Environment.NewLine, problems)}");
        }
    }

    private void Note(bool isWrong, string what)
    {
        if (isWrong && (Expected is null || !what.Contains(Expected, StringComparison.Ordinal)))
        {
            lock (problems)
            {
                problems.Add(what);
            }
        }
    }
}
