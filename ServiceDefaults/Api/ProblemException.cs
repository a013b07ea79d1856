using Microsoft.AspNetCore.Http;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// An expected refusal. It becomes problem details (RFC 9457) over REST and a rich status over gRPC, so that a rule is written once for
/// both.
/// </summary>
/// <param name="status">HTTP status code of the refusal, 400 to 503.</param>
/// <param name="detail">What is wrong and what to do, in words for the caller; never an internal name or address.</param>
public sealed class ProblemException(int status, string detail) : Exception(detail)
{
    internal const string InvalidDetail = "One or more values are not acceptable; see errors.";

    /// <summary>HTTP status code of the refusal.</summary>
    public int Status { get; } = status;

    /// <summary>The fields at fault, each with what is wrong with it; empty when the refusal is not about a field.</summary>
    public IReadOnlyDictionary<string, string[]> Errors { get; private init; } = new Dictionary<string, string[]>(StringComparer.Ordinal);

    /// <summary>After how long trying again may succeed; sent as <c>Retry-After</c> in whole seconds.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>400: a field has an unacceptable value.</summary>
    public static ProblemException Invalid(string field, string message) =>
        Invalid(new Dictionary<string, string[]>(StringComparer.Ordinal) { [field] = [message] });

    /// <summary>400: several fields have unacceptable values.</summary>
    public static ProblemException Invalid(IReadOnlyDictionary<string, string[]> errors) =>
        new(StatusCodes.Status400BadRequest, InvalidDetail) { Errors = errors };

    /// <summary>401: the caller is not known.</summary>
    public static ProblemException Unauthorized(string detail) => new(StatusCodes.Status401Unauthorized, detail);

    /// <summary>403: the caller is known and may not do this.</summary>
    public static ProblemException Forbidden(string detail) => new(StatusCodes.Status403Forbidden, detail);

    /// <summary>404: there is no such thing, or none that the caller may know of.</summary>
    public static ProblemException NotFound(string what, object id) => new(StatusCodes.Status404NotFound, $"There is no {what} {id}.");

    /// <summary>409: the request contradicts the present state; <paramref name="field"/> names the field at fault, if one is.</summary>
    public static ProblemException Conflict(string detail, string? field = null) => new(StatusCodes.Status409Conflict, detail)
    {
        Errors = field is null
            ? new Dictionary<string, string[]>(StringComparer.Ordinal)
            : new Dictionary<string, string[]>(StringComparer.Ordinal) { [field] = [detail] },
    };

    /// <summary>412: <c>If-Match</c> or <c>If-None-Match</c> excludes the present version.</summary>
    public static ProblemException PreconditionFailed() =>
        new(StatusCodes.Status412PreconditionFailed, Problems.Describe(StatusCodes.Status412PreconditionFailed));

    /// <summary>422: the request is well formed and contradicts an earlier one.</summary>
    public static ProblemException Unprocessable(string detail) => new(StatusCodes.Status422UnprocessableEntity, detail);

    /// <summary>429: too many attempts; trying again may succeed after <paramref name="retryAfter"/>.</summary>
    public static ProblemException TooManyRequests(string detail, TimeSpan retryAfter) =>
        new(StatusCodes.Status429TooManyRequests, detail) { RetryAfter = retryAfter };

    /// <summary>503: something this service needs does not answer.</summary>
    public static ProblemException Unavailable(string detail = "A service that this request needs does not answer; try again shortly.") =>
        new(StatusCodes.Status503ServiceUnavailable, detail) { RetryAfter = TimeSpan.FromSeconds(1) };
}
