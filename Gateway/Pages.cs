using System.Net.Mime;
using System.Text;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;

namespace MicroPlatform.Gateway;

/// <summary>The Gateway's own pages and the <c>.proto</c> files: text that is part of the program.</summary>
internal static class Pages
{
    private const string Policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly Dictionary<string, string> Protos = typeof(Pages).Assembly.GetManifestResourceNames()
        .Where(name => name.StartsWith("protos/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal)
        .ToDictionary(name => name["protos/".Length..], Read, StringComparer.OrdinalIgnoreCase);

    public static void MapPages(this WebApplication app)
    {
        var pages = app.MapGroup("").AnswerHead().AllowAnonymous().ExcludeFromDescription();
        var home = Read("pages/home.html").Replace(
            "{{documents}}", string.Join(", ", ApiReference.Documents.Select(document => $"<a href=\"/openapi/{document}.json\">{document}</a>")), StringComparison.Ordinal);
        var protos = Read("pages/protos.html").Replace(
            "{{files}}", string.Concat(Protos.Keys.Select(file => $"<li><a href=\"/protos/{file}\">{file}</a></li>")), StringComparison.Ordinal);
        var style = Read("pages/style.css");
        pages.MapGet("/", (HttpResponse response) => Page(response, home));
        pages.MapGet("/protos", (HttpResponse response) => Page(response, protos));
        pages.MapGet("/pages/style.css", () => TypedResults.Text(style, MediaTypeNames.Text.Css, Encoding.UTF8));
        pages.MapGet("/protos/{file}", (string file) => Protos.TryGetValue(file, out var text)
            ? TypedResults.Text(text, MediaTypeNames.Text.Plain, Encoding.UTF8)
            : throw new ProblemException(StatusCodes.Status404NotFound, $"There is no such file; there is {string.Join(", ", Protos.Keys)}."));
    }

    private static ContentHttpResult Page(HttpResponse response, string html)
    {
        response.Headers.ContentSecurityPolicy = Policy;
        return TypedResults.Text(html, MediaTypeNames.Text.Html, Encoding.UTF8);
    }

    private static string Read(string resource)
    {
        using var reader = new StreamReader(typeof(Pages).Assembly.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }
}
