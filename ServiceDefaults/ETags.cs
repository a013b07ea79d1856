using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.ServiceDefaults;

/// <summary>A response that carries the version of what it shows; it is sent as <c>ETag</c>.</summary>
public interface IVersioned
{
    /// <summary>The row version (PostgreSQL's <c>xmin</c>).</summary>
    [JsonIgnore]
    uint Version { get; }
}

/// <summary>Optimistic concurrency over HTTP: <c>ETag</c> on every single resource, <c>If-Match</c> on every write.</summary>
public static class ETags
{
    /// <summary>The entity tag of a version.</summary>
    public static string Of(uint version) => string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");

    /// <summary>Refuses the write unless <paramref name="ifMatch"/> is absent, <c>*</c>, or names <paramref name="version"/>.</summary>
    /// <exception cref="ProblemException">412 when it names another version, 400 when it is not an entity tag of ours.</exception>
    public static void Require(string? ifMatch, uint version)
    {
        if (ifMatch is not null && !Parse(ifMatch).Contains(version))
        {
            throw ProblemException.PreconditionFailed();
        }

        IEnumerable<uint> Parse(string header)
        {
            foreach (var tag in header.Split(',', StringSplitOptions.TrimEntries))
            {
                if (string.Equals(tag, "*", StringComparison.Ordinal))
                {
                    return [version];
                }
            }

            return [.. header.Split(',', StringSplitOptions.TrimEntries).Select(ParseTag)];
        }
    }

    private static uint ParseTag(string tag) =>
        tag is ['"', .. var inner, '"'] && uint.TryParse(inner, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw ProblemException.Invalid("If-Match", "This is not an ETag that this resource gave; send it as received, with its quotes.");

    /// <summary>Adds the <c>ETag</c> of a versioned response; who reads a version that is at hand already gets 304 and no body.</summary>
    internal static async ValueTask<object?> Filter(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var result = await next(context);
        if ((result is INestedHttpResult nested ? nested.Result : result) is IValueHttpResult { Value: IVersioned versioned })
        {
            var (request, tag) = (context.HttpContext.Request, Of(versioned.Version));
            context.HttpContext.Response.Headers.ETag = tag;
            if ((HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)) && IsAtHand(request.Headers.IfNoneMatch.ToString(), tag))
            {
                return TypedResults.StatusCode(StatusCodes.Status304NotModified);
            }
        }

        return result;
    }

    /// <summary>What is no entity tag of ours matches nothing: the answer is the whole resource.</summary>
    private static bool IsAtHand(string ifNoneMatch, string tag) => ifNoneMatch.Split(',', StringSplitOptions.TrimEntries)
        .Any(known => known is "*" || string.Equals(known.StartsWith("W/", StringComparison.Ordinal) ? known[2..] : known, tag, StringComparison.Ordinal));
}
