using System.ComponentModel;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Answers every error with problem details: refusals, malformed requests, lost dependencies and faults.</summary>
public static class Problems
{
    private const string WholeBody = "body";
    private const string WrongValue = "The value has the wrong type or is out of range.";

    internal static void AddProblems(this IServiceCollection services)
    {
        services.AddProblemDetails(options => options.CustomizeProblemDetails = context =>
        {
            // Validation uses C# names; callers know the names of JSON and of the query.
            if (context.ProblemDetails is HttpValidationProblemDetails { Errors: var errors, Detail: null } validation)
            {
                validation.Errors = errors.ToDictionary(
                    error => AsInJson(error.Key), error => error.Value.Select(text =>
                        Rename(text, error.Key, JsonNamingPolicy.CamelCase)).ToArray(), StringComparer.Ordinal);
                validation.Title = ReasonPhrases.GetReasonPhrase(StatusCodes.Status400BadRequest);
                validation.Detail = ProblemException.InvalidDetail;
            }

            context.ProblemDetails.Detail ??= Describe(context.ProblemDetails.Status ?? StatusCodes.Status500InternalServerError);
            if (RequestIds.Of(context.HttpContext.Request) is { } id)
            {
                context.ProblemDetails.Extensions["requestId"] = id;
            }
        });
        services.AddSingleton<IProblemDetailsWriter, UnaskedWriter>();
        services.AddExceptionHandler<ProblemExceptionHandler>();
        services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
    }

    /// <summary>Adds the error conventions to the pipeline. They come first, so that they cover all of it.</summary>
    public static void UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(context => context.HttpContext.WriteStatusProblemAsync());

        // PostgreSQL text cannot hold NUL; JSON bodies are checked where they are read.
        app.Use((context, next) => context.Request.QueryString.Value?.Contains("%00", StringComparison.Ordinal) == true
            ? throw ProblemException.Invalid("query", "The query string contains a NUL character.")
            : next(context));
        app.UseBodyConventions();
    }

    /// <summary>Writes problem details for the status that the response already has.</summary>
    public static Task WriteStatusProblemAsync(this HttpContext http) =>
        http.WriteProblemAsync(new ProblemException(http.Response.StatusCode, DetailOf(http)));

    /// <summary>Writes the refusal as problem details, or as the status of a gRPC call that did not reach its method.</summary>
    public static async Task WriteProblemAsync(this HttpContext http, ProblemException problem)
    {
        var response = http.Response;
        if (http.IsGrpc())
        {
            http.WriteGrpcStatus(GrpcStatusOf(problem.Status), problem.Message, problem.RetryAfter);
            return;
        }

        response.StatusCode = problem.Status;
        if (problem.RetryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        if (problem.Status == StatusCodes.Status401Unauthorized && response.Headers.WWWAuthenticate.Count == 0)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        if (problem.Status == StatusCodes.Status426UpgradeRequired)
        {
            response.Headers.Upgrade = "HTTP/2.0";
        }

        var details = problem.Errors.Count == 0
            ? new Microsoft.AspNetCore.Mvc.ProblemDetails()
            : new HttpValidationProblemDetails(problem.Errors.ToDictionary(
                error => error.Key, error => error.Value, StringComparer.Ordinal));
        details.Status = problem.Status;
        details.Title = ReasonPhrases.GetReasonPhrase(problem.Status);
        details.Detail = problem.Message;
        await http.RequestServices.GetRequiredService<IProblemDetailsService>()
            .WriteAsync(new() { HttpContext = http, ProblemDetails = details });
    }

    /// <summary>Maps an exception to the problem that the caller may see; null for a server fault.</summary>
    public static ProblemException? ToProblem(this Exception exception, HttpContext http) => exception switch
    {
        ProblemException problem => problem,
        BadHttpRequestException { InnerException: JsonException json } => InvalidBody(http, json),
        BadHttpRequestException { StatusCode: StatusCodes.Status400BadRequest } when http.UnreadableParameter() is { } name =>
            ProblemException.Invalid(name, WrongValue),
        BadHttpRequestException { StatusCode: StatusCodes.Status400BadRequest } when http.BodyType() is not null =>
            ProblemException.Invalid("body", "Send the JSON body that this request takes."),
        BadHttpRequestException bad => new ProblemException(bad.StatusCode, Describe(bad.StatusCode)),
        DbUpdateConcurrencyException when http.Request.Headers.IfMatch.Count > 0 => ProblemException.PreconditionFailed(),
        DbUpdateConcurrencyException =>
            ProblemException.Conflict("Someone else changed this at the same moment; read it again and repeat the change."),
        RpcException { StatusCode: StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Cancelled } =>
            ProblemException.Unavailable(),
        RpcException { Status.DebugException: not null } => ProblemException.Unavailable(), // the connection broke, whatever the status
        _ when IsDatabaseGone(exception) => ProblemException.Unavailable("The database does not answer; try again shortly."),
        _ => null,
    };

    internal static bool IsDatabaseGone(Exception exception) => exception switch
    {
        // Too many connections, shutdown in progress, still starting up: https://www.postgresql.org/docs/current/errcodes-appendix.html
        // Read-only: the server is a replica because there is no primary.
        PostgresException { SqlState: "53300" or "57P01" or "57P02" or "57P03" or "25006" } => true,
        PostgresException or NpgsqlOperationInProgressException => false,
        NpgsqlException or SocketException or TimeoutException => true,
        RetryLimitExceededException or DbUpdateException or InvalidOperationException when exception.InnerException is { } inner =>
            IsDatabaseGone(inner),
        _ => false,
    };

    /// <summary>The field at fault as a caller wrote it: <c>$.items[0].quantity</c> becomes <c>items[0].quantity</c>.</summary>
    private static string FieldOf(JsonException json) => json.Path switch
    {
        ['$', '.', _, ..] path => path[2..],
        ['$', '[', '\'', .. var name, '\'', ']'] => name,
        { Length: > 2 } path => path[1..],
        _ => WholeBody,
    };

    private static ProblemException InvalidBody(HttpContext http, JsonException json) => FieldOf(json) switch
    {
        WholeBody => ProblemException.Invalid(WholeBody, "The body is not the JSON that this request takes."),
        var field => ProblemException.Invalid(field, http.HasField(field) ? WrongValue : "There is no such field."),
    };

    /// <summary>The endpoint of the request; the exception handler has removed it from the context.</summary>
    private static Endpoint? EndpointOf(HttpContext http) => http.Features.Get<IExceptionHandlerFeature>()?.Endpoint ?? http.GetEndpoint();

    private static Type? BodyType(this HttpContext http) => EndpointOf(http)?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;

    /// <summary>Whether the body that the endpoint takes has a field at this path, such as <c>items[0].quantity</c>.</summary>
    private static bool HasField(this HttpContext http, string path)
    {
        var json = http.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var type = http.BodyType();
        foreach (var segment in path.Split('.'))
        {
            var parts = segment.Split('[');
            if (type is null || json.GetTypeInfo(type).Properties.FirstOrDefault(property =>
                string.Equals(property.Name, parts[0], StringComparison.OrdinalIgnoreCase)) is not { } found)
            {
                return false;
            }

            type = parts.Length > 1 ? json.GetTypeInfo(found.PropertyType).ElementType : found.PropertyType;
        }

        return true;
    }

    /// <summary>The parameter of the endpoint whose value cannot be read; null when no such parameter is in the request.</summary>
    private static string? UnreadableParameter(this HttpContext http)
    {
        var route = http.Features.Get<IExceptionHandlerFeature>()?.RouteValues ?? http.Request.RouteValues;
        var unreadable = EndpointOf(http)?.Metadata.OfType<IParameterBindingMetadata>().FirstOrDefault(parameter =>
            ValueOf(parameter.Name) is { } value && !IsReadable(parameter.ParameterInfo.ParameterType, value));
        return unreadable is null ? null : JsonNamingPolicy.CamelCase.ConvertName(unreadable.Name);

        // Injected services are parameters too, and no text converts to a service.
        static bool IsReadable(Type type, string value) => type == typeof(string)
            || TypeDescriptor.GetConverter(type) is var converter
                && (!converter.CanConvertFrom(typeof(string)) || (value.Length > 0 && converter.IsValid(value)));

        string? ValueOf(string name) =>
            route.TryGetValue(name, out var segment) ? segment as string
            : http.Request.Query.TryGetValue(name, out var value) ? value.ToString()
            : null;
    }

    /// <summary>What a status means here and what to do, in words for the caller.</summary>
    internal static string Describe(int status) => status switch
    {
        StatusCodes.Status400BadRequest => ProblemException.InvalidDetail,
        StatusCodes.Status401Unauthorized => "Sign in and send the access token in the header Authorization, behind the word Bearer.",
        StatusCodes.Status403Forbidden => "You may not do this.",
        StatusCodes.Status404NotFound => "There is nothing at this address.",
        StatusCodes.Status408RequestTimeout => "The body did not arrive in time.",
        StatusCodes.Status409Conflict => "The request contradicts the present state.",
        StatusCodes.Status412PreconditionFailed => "If-Match or If-None-Match excludes the current version; read it again and repeat.",
        StatusCodes.Status413PayloadTooLarge => $"The body is larger than {ServiceDefaultsExtensions.MaxRequestBodyBytes} bytes.",
        StatusCodes.Status415UnsupportedMediaType => "Send the body as application/json, in UTF-8, without a Content-Encoding.",
        StatusCodes.Status422UnprocessableEntity => "This Idempotency-Key was used for another request; take a new key for a new request.",
        StatusCodes.Status429TooManyRequests => "Too many requests; wait as long as Retry-After says.",
        StatusCodes.Status503ServiceUnavailable => "This is not available right now; try again shortly.",
        _ => "The request could not be served.",
    };

    /// <summary>The text of a validation annotation, with the C# name of the field replaced by the name that callers know.</summary>
    internal static string Rename(string text, string path, JsonNamingPolicy naming)
    {
        var name = path[(path.LastIndexOf('.') + 1)..].Split('[')[0];
        return string.Join(
            ' ', text.Split(' ').Select(word => string.Equals(word, name, StringComparison.Ordinal) ? naming.ConvertName(name) : word));
    }

    private static string DetailOf(HttpContext http) => http.Response switch
    {
        { StatusCode: StatusCodes.Status405MethodNotAllowed, Headers.Allow: [{ } allowed] } =>
            $"{http.Request.Method} is not possible here; there is {allowed}.",
        { StatusCode: var status } => Describe(status),
    };

    private static StatusCode GrpcStatusOf(int status) => status switch
    {
        StatusCodes.Status400BadRequest => StatusCode.InvalidArgument,
        StatusCodes.Status401Unauthorized => StatusCode.Unauthenticated,
        StatusCodes.Status403Forbidden => StatusCode.PermissionDenied,
        StatusCodes.Status404NotFound => StatusCode.Unimplemented,
        StatusCodes.Status413PayloadTooLarge or StatusCodes.Status429TooManyRequests => StatusCode.ResourceExhausted,
        StatusCodes.Status502BadGateway or StatusCodes.Status503ServiceUnavailable => StatusCode.Unavailable,
        StatusCodes.Status504GatewayTimeout => StatusCode.DeadlineExceeded,
        _ => StatusCode.Internal,
    };

    private static string AsInJson(string path) => string.Join('.', path.Split('.').Select(JsonNamingPolicy.CamelCase.ConvertName));

    /// <summary>
    /// Writes problem details regardless of what the caller accepts (RFC 9110, 12.5.1). The framework's writer writes nothing for a caller
    /// that does not accept JSON, such as a browser's EventSource, and the answer would be 500.
    /// </summary>
    private sealed class UnaskedWriter : IProblemDetailsWriter
    {
        public bool CanWrite(ProblemDetailsContext context) => true;

        public ValueTask WriteAsync(ProblemDetailsContext context) =>
            context.HttpContext.RequestServices.GetServices<IProblemDetailsWriter>().First(writer => writer != this).WriteAsync(context);
    }

    private sealed class ProblemExceptionHandler : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
        {
            if (exception is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled }
                && httpContext.RequestAborted.IsCancellationRequested)
            {
                httpContext.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return true;
            }

            if (exception.ToProblem(httpContext) is not { } problem)
            {
                return false;
            }

            await httpContext.WriteProblemAsync(problem);
            return true;
        }
    }
}
