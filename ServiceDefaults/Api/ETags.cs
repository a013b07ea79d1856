using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Primitives;

namespace MicroPlatform.ServiceDefaults;

/// <summary>A response that carries the version of what it shows; it is sent as <c>ETag</c>.</summary>
public interface IVersioned
{
    /// <summary>The row version (PostgreSQL's <c>xmin</c>).</summary>
    [JsonIgnore]
    uint Version { get; }
}

/// <summary>The preconditions of a request that depend on the version of a resource (RFC 9110, 13.1).</summary>
public readonly record struct Preconditions
{
    /// <summary><c>If-Match</c>: <c>*</c>, or tags of which one must be that of the present version; null when absent.</summary>
    [FromHeader(Name = "If-Match")]
    [Description("The ETags of the versions that may be changed. The answer is 412 when the current version is another.")]
    public string? IfMatch { get; init; }

    /// <summary><c>If-None-Match</c>: <c>*</c>, or tags of which none may be that of the present version; null when absent.</summary>
    [FromHeader(Name = "If-None-Match")]
    [Description("The ETags of the versions that must not be changed, * for all. The answer is 412 when the current one is among them.")]
    public string? IfNoneMatch { get; init; }

    /// <summary>Refuses the request unless the present version of the resource meets both headers.</summary>
    /// <exception cref="ProblemException">412 when it does not, 400 when a header holds something that is no entity tag.</exception>
    public void Require(uint version)
    {
        var tag = ETags.Of(version);
        if ((IfMatch is not null && !ETags.Parse("If-Match", IfMatch).Any(match => ETags.MatchesStrongly(match, tag)))
            || (IfNoneMatch is not null && ETags.Parse("If-None-Match", IfNoneMatch).Any(match => ETags.MatchesWeakly(match, tag))))
        {
            throw ProblemException.PreconditionFailed();
        }
    }
}

/// <summary>Optimistic concurrency over HTTP: <c>ETag</c> on every single resource, <see cref="Preconditions"/> on every write.</summary>
public static partial class ETags
{
    private const string Any = "*";

    /// <summary>The entity tag of a version.</summary>
    public static string Of(uint version) => string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");

    /// <summary>The entity tags of a list, or <c>*</c>.</summary>
    /// <exception cref="ProblemException">400 on <paramref name="field"/> when it is no list of entity tags.</exception>
    internal static IEnumerable<string> Parse(string field, string list) =>
        TryParse(list) ?? throw ProblemException.Invalid(field, "This is no ETag: send one with its quotes, several with commas, or *.");

    internal static bool MatchesStrongly(string known, string tag) => known is Any || string.Equals(known, tag, StringComparison.Ordinal);

    internal static bool MatchesWeakly(string known, string tag) =>
        MatchesStrongly(known.StartsWith("W/", StringComparison.Ordinal) ? known[2..] : known, tag);

    /// <summary>
    /// Adds the <c>ETag</c> of a versioned response. A read whose <c>If-None-Match</c> names the present version
    /// gets 304 without a body; one whose <c>If-Match</c> names another version gets 412.
    /// </summary>
    internal static async ValueTask<object?> Filter(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var result = await next(context);
        if ((result is INestedHttpResult nested ? nested.Result : result) is IValueHttpResult { Value: IVersioned versioned })
        {
            var (request, present) = (context.HttpContext.Request, Of(versioned.Version));
            context.HttpContext.Response.Headers.ETag = present;
            if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
            {
                new Preconditions { IfMatch = HeaderOf(request.Headers.IfMatch) }.Require(versioned.Version);
                // A malformed header matches nothing, so the answer is the whole resource.
                if (HeaderOf(request.Headers.IfNoneMatch) is { } list
                    && TryParse(list)?.Any(known => MatchesWeakly(known, present)) == true)
                {
                    return TypedResults.StatusCode(StatusCodes.Status304NotModified);
                }
            }
        }

        return result;
    }

    private static string? HeaderOf(StringValues lines) => lines.Count == 0 ? null : lines.ToString();

    private static IEnumerable<string>? TryParse(string list) => list.Trim(' ', '\t') is Any ? [Any]
        : List().Match(list) is { Success: true } match ? match.Groups["tag"].Captures.Select(tag => tag.Value)
        : null;

    // RFC 9110, 8.8.3: a backslash escapes nothing in a tag; 5.6.1.2: elements may be empty.
    [GeneratedRegex(
        "^[ \t,]*((?<tag>(W/)?\"[\\x21\\x23-\\x7E\\x80-\\uFFFF]*\")[ \t]*(,[ \t,]*|\\z))*\\z",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex List();
}
