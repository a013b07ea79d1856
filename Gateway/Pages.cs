using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace MicroPlatform.Gateway;

/// <summary>The Gateway's own pages and the <c>.proto</c> files, which are embedded in the program.</summary>
internal static class Pages
{
    // The policy forbids external and inline content, and scripts that make markup from text.
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action "
            + "'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

    private static readonly Dictionary<string, string> Protos = typeof(Pages).Assembly.GetManifestResourceNames()
        .Where(name => name.StartsWith("protos/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal)
        .ToDictionary(name => name["protos/".Length..], Read, StringComparer.OrdinalIgnoreCase);

    private static readonly Lazy<string> Missing = new(() => Read("pages/missing.html"));

    private static readonly (string File, string MediaType)[] Assets =
        [
            ("style.css", MediaTypeNames.Text.Css), ("home.js", MediaTypeNames.Text.JavaScript),
            ("scalar.js", MediaTypeNames.Text.JavaScript), ("session.js", MediaTypeNames.Text.JavaScript),
            ("icon.svg", MediaTypeNames.Image.Svg),
        ];

    public static void MapPages(this WebApplication app)
    {
        var pages = app.MapGroup("").AnswerHead().AllowAnonymous().ExcludeFromDescription();
        var home = Home(app.Configuration);
        var protos = ProtosPage(app);
        pages.MapGet("/", (HttpContext context) => Page(context.Response, home.For(context)));
        pages.MapGet("/protos", (HttpContext context) => Page(context.Response, protos.For(context)));
        foreach (var (file, mediaType) in Assets)
        {
            var content = Encoding.UTF8.GetBytes(Read("pages/" + file));
            // The tag is weak, because it stands for the file both compressed and uncompressed.
            var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}\"", isWeak: true);
            pages.MapGet("/pages/" + file, (HttpResponse response) =>
            {
                // The browser revalidates each file every time, so that all files of a page have the same version.
                (response.Headers.CacheControl, response.Headers.Vary) = ("no-cache", HeaderNames.AcceptEncoding);
                return TypedResults.Bytes(content, $"{mediaType}; charset=utf-8", entityTag: tag);
            });
        }

        pages.MapGet("/protos/{file}", IResult (string file, HttpContext context) => Protos.TryGetValue(file, out var text)
            ? TypedResults.Text(text, MediaTypeNames.Text.Plain, Encoding.UTF8)
            : NotFound(context, $"There is no such file; there is {string.Join(", ", Protos.Keys)}."));
    }

    /// <summary>Answers 404 and says what exists instead: a browser gets a page, a program gets problem details.</summary>
    /// <exception cref="ProblemException">404, when the caller is not a browser.</exception>
    public static IResult NotFound(HttpContext context, string why)
    {
        context.Response.Headers.Append(HeaderNames.Vary, HeaderNames.Accept);
        var isRead = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        var accepted = context.Request.GetTypedHeaders().Accept;
        if (!isRead || !accepted.Any(type => type.MediaType.Equals(MediaTypeNames.Text.Html, StringComparison.OrdinalIgnoreCase)))
        {
            throw new ProblemException(StatusCodes.Status404NotFound, why);
        }

        var html = Missing.Value.Replace("{{why}}", HtmlEncoder.Default.Encode(why), StringComparison.Ordinal);
        return Page(context.Response, html, StatusCodes.Status404NotFound);
    }

    /// <summary>The page about gRPC, with an example for each service.</summary>
    private static string ProtosPage(WebApplication app)
    {
        var isDemo = app.Configuration.GetValue<bool>("SeedDemoData");
        var files = string.Concat(Protos.Keys.Select(file => $"<li><a href=\"/protos/{file}\">{file}</a></li>"));
        return Read("pages/protos.html")
            .Replace("{{files}}", files, StringComparison.Ordinal)
            .Replace("{{username}}", isDemo ? "alice" : "your name", StringComparison.Ordinal)
            .Replace("{{password}}", isDemo ? "testPass123" : "your password", StringComparison.Ordinal);
    }

    /// <summary>Fills in the address at which the caller reached the page, for the commands that it shows.</summary>
    private static string For(this string page, HttpContext context)
    {
        var request = context.Request;
        var addresses = context.RequestServices.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        var https = addresses.Select(BindingAddress.Parse)
            .FirstOrDefault(address => string.Equals(address.Scheme, Uri.UriSchemeHttps, StringComparison.OrdinalIgnoreCase));
        // gRPC clients need an explicit port, that of TLS.
        var port = request.IsHttps || https is null ? request.Host.Port ?? (request.IsHttps ? 443 : 80) : https.Port;
        // In development the certificate is self-signed.
        var isSelfMade = context.RequestServices.GetRequiredService<IHostEnvironment>().IsDevelopment();
        return page
            .Replace("{{insecure}}", isSelfMade ? "-insecure " : "", StringComparison.Ordinal)
            .Replace("{{k}}", isSelfMade && request.IsHttps ? "k" : "", StringComparison.Ordinal)
            .Replace("{{origin}}", HtmlEncoder.Default.Encode($"{request.Scheme}://{request.Host}"), StringComparison.Ordinal)
            .Replace("{{authority}}", HtmlEncoder.Default.Encode($"{request.Host.Host}:{port}"), StringComparison.Ordinal);
    }

    /// <summary>The home page. It shows the demo accounts and the dashboard only if they exist.</summary>
    private static string Home(IConfiguration configuration)
    {
        var dashboard = configuration["Dashboard:Url"];
        var page = Read("pages/home.html")
            .Replace("{{dashboard}}", HtmlEncoder.Default.Encode(dashboard ?? ""), StringComparison.Ordinal)
            .Replace("{{version}}", typeof(Pages).Assembly.GetName().Version!.ToString(3), StringComparison.Ordinal);
        page = Keep(page, "demo", configuration.GetValue<bool>("SeedDemoData"));
        return Keep(page, "dashboard", Uri.TryCreate(dashboard, UriKind.Absolute, out var address) && address.Scheme is "http" or "https");
    }

    /// <summary>Keeps or removes the text between the comments of this name.</summary>
    private static string Keep(string page, string name, bool isShown)
    {
        var (from, to) = ($"<!--{name}-->", $"<!--/{name}-->");
        while (page.IndexOf(from, StringComparison.Ordinal) is >= 0 and var start)
        {
            var end = page.IndexOf(to, start, StringComparison.Ordinal);
            page = page[..start] + (isShown ? page[(start + from.Length)..end] : "") + page[(end + to.Length)..];
        }

        return page;
    }

    private static ContentHttpResult Page(HttpResponse response, string html, int status = StatusCodes.Status200OK)
    {
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.CacheControl = "no-cache";
        return TypedResults.Text(html, MediaTypeNames.Text.Html, Encoding.UTF8, status);
    }

    private static string Read(string resource)
    {
        using var reader = new StreamReader(typeof(Pages).Assembly.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }
}
