using Microsoft.AspNetCore.Http;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The id of a request, known to the caller and to the platform.</summary>
public static class RequestIds
{
    /// <summary>The header of requests and answers.</summary>
    public const string HeaderName = "X-Request-Id";

    /// <summary>
    /// The id that came with the request: 1 to 128 letters, digits, <c>-</c>, <c>_</c> and <c>.</c>; null when the header is missing or
    /// malformed.
    /// </summary>
    public static string? Of(HttpRequest request) =>
        request.Headers[HeaderName] is [{ Length: > 0 and <= 128 } sent]
            && sent.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? sent
            : null;
}
