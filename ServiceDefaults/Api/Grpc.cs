using System.ComponentModel.DataAnnotations;
using System.Text;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Calls to other services, section <c>Calls</c>.</summary>
internal sealed class ServiceCallOptions
{
    /// <summary>
    /// How long a call may take if the caller set no deadline. It is shorter than <c>Requests:Deadline</c>, and long enough for the first
    /// call of a process that just started.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:00:15")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(4);
}

/// <summary>Shared set-up of gRPC servers and clients.</summary>
public static partial class GrpcDefaults
{
    private static readonly HashSet<string> ContentTypes =
        new(["application/grpc", "application/grpc+proto"], StringComparer.OrdinalIgnoreCase);

    /// <summary>How long a call to another service may take if the caller set no deadline.</summary>
    public static TimeSpan CallDeadline(this WebApplicationBuilder builder) => builder.AddSettings<ServiceCallOptions>("Calls").Deadline;

    /// <summary>Adds gRPC with rich errors, the standard health service and, in development, reflection.</summary>
    public static WebApplicationBuilder AddGrpcDefaults(this WebApplicationBuilder builder)
    {
        builder.Services.AddGrpc(options =>
        {
            options.Interceptors.Add<ProblemInterceptor>();
            options.MaxReceiveMessageSize = (int)ServiceDefaultsExtensions.MaxRequestBodyBytes;
        });
        builder.Services.AddGrpcHealthChecks(options =>
            options.Services.Map(string.Empty, check => check.Tags.Contains("ready", StringComparer.Ordinal)));
        if (builder.Environment.IsDevelopment())
        {
            builder.Services.AddGrpcReflection();
        }

        return builder;
    }

    /// <summary>Maps a gRPC service beside health and, in development, reflection.</summary>
    public static GrpcServiceEndpointConventionBuilder MapGrpc<TService>(this IEndpointRouteBuilder app)
        where TService : class
    {
        app.MapGrpcHealthChecksService().AllowAnonymous();
        if (app.ServiceProvider.GetRequiredService<IHostEnvironment>().IsDevelopment())
        {
            app.MapGrpcReflectionService().AllowAnonymous();
        }

        return app.MapGrpcService<TService>();
    }

    /// <summary>
    /// Adds a client of gRPC that only the platform may call: one shared channel, the key and a deadline on every call. Calls are retried,
    /// so each method must be safe to repeat.
    /// </summary>
    public static IHttpClientBuilder AddServiceClient<TClient>(this WebApplicationBuilder builder, string service)
        where TClient : ClientBase
    {
        builder.RequireService(service, "grpc");
        var deadline = builder.CallDeadline();
        return builder.Services
            .AddGrpcClient<TClient>(options => options.Address = new Uri($"http://_grpc.{service}"))
            .UseSocketsHttpHandler((handler, _) =>
            {
                handler.EnableMultipleHttp2Connections = true;
                // A name may resolve to other machines later, and new replicas behind one address receive only new connections.
                handler.PooledConnectionLifetime = TimeSpan.FromMinutes(2);
                handler.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
                handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
            })
            .AddInterceptor(() => new DeadlineInterceptor(deadline))
            .AddInternalCallKey(builder);
    }

    /// <summary>Whether the request is a gRPC call: HTTP/2, POST, its content type, the path of a method. All else is REST.</summary>
    public static bool IsGrpc(this HttpContext context) =>
        HttpProtocol.IsHttp2(context.Request.Protocol)
        && HttpMethods.IsPost(context.Request.Method)
        && MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type)
        && ContentTypes.Contains(type.MediaType.Value!)
        && MethodPath().IsMatch(context.Request.Path.Value ?? "");

    /// <summary>Refuses a request to a gRPC method that is not a gRPC call.</summary>
    /// <exception cref="ProblemException">426 when it came over HTTP/1.1, 415 when its content type is another.</exception>
    public static void RequireGrpc(this HttpContext context)
    {
        if (!HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            throw new ProblemException(StatusCodes.Status426UpgradeRequired, "gRPC needs HTTP/2; call the https address.");
        }

        if (!context.IsGrpc())
        {
            throw new ProblemException(
                StatusCodes.Status415UnsupportedMediaType,
                "This is a gRPC method; its content type is application/grpc. The same is at /api/v1 for JSON.");
        }
    }

    /// <summary>Answers a gRPC call without a message, with its status in the header block ("trailers-only").</summary>
    public static void WriteGrpcStatus(this HttpContext context, StatusCode status, string detail, TimeSpan? retryAfter = null)
    {
        if (retryAfter is { } wait)
        {
            var rich = new Google.Rpc.Status
            {
                Code = (int)status,
                Message = detail,
                Details = { Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(wait) }) },
            };
            context.Response.Headers["grpc-status-details-bin"] = Convert.ToBase64String(rich.ToByteArray());
        }

        context.Response.StatusCode = StatusCodes.Status200OK;
        context.Response.ContentType = "application/grpc";
        context.Response.Headers.GrpcStatus = ((int)status).ToString(System.Globalization.CultureInfo.InvariantCulture);
        // Encodes only what the protocol requires, because some clients decode nothing else.
        context.Response.Headers.GrpcMessage = string.Concat(Encoding.UTF8.GetBytes(detail).Select(b =>
            b is >= 0x20 and <= 0x7E and not (byte)'%' ? $"{(char)b}" : $"%{b:X2}"));
    }

    /// <summary>
    /// Answers INVALID_ARGUMENT to a malformed message. Such a message fails as UNKNOWN before any interceptor runs. The interceptor
    /// translates all other failures, so UNKNOWN has no other cause.
    /// </summary>
    internal static void UseGrpcStatuses(this WebApplication app) => app.Use(async (context, next) =>
    {
        await next(context);
        if (context.IsGrpc() && !context.Response.HasStarted
            && context.Response.Headers.GrpcStatus == ((int)StatusCode.Unknown).ToString(System.Globalization.CultureInfo.InvariantCulture))
        {
            context.WriteGrpcStatus(StatusCode.InvalidArgument, "The message is not what this method takes.");
        }
    });

    // The name of a gRPC service here contains a dot, because it has a package; the first segment of a REST path contains none.
    [GeneratedRegex(
        @"^/[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+/[A-Za-z][A-Za-z0-9_]*\z",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex MethodPath();

    private sealed class DeadlineInterceptor(TimeSpan deadline) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, context.Options.Deadline is null
                ? new(context.Method, context.Host, context.Options.WithDeadline(DateTime.UtcNow + deadline))
                : context);
    }

    /// <summary>Refusals become rich statuses. A fault is logged and becomes INTERNAL without details.</summary>
    private sealed class ProblemInterceptor(ILogger<ProblemInterceptor> logger) : Interceptor
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            try
            {
                GrpcInput.RequireNoNul(request);
                return await continuation(request, context);
            }
            catch (Exception failure) when (!context.CancellationToken.IsCancellationRequested)
            {
                throw Translate(failure, context);
            }
        }

        public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            try
            {
                GrpcInput.RequireNoNul(request);
                await continuation(request, responseStream, context);
            }
            catch (Exception failure) when (!context.CancellationToken.IsCancellationRequested)
            {
                throw Translate(failure, context);
            }
        }

        private RpcException Translate(Exception failure, ServerCallContext context)
        {
            if (failure.ToProblem(context.GetHttpContext()) is not { } problem)
            {
                logger.LogError(failure, "{Method} failed", context.Method);
                return new RpcException(new(StatusCode.Internal, "The call failed; the fault is on our side."));
            }

            var status = new Google.Rpc.Status { Code = (int)CodeOf(problem), Message = problem.Message };
            if (problem.Errors.Count > 0)
            {
                // Many clients show only the message.
                status.Message = string.Join(
                    ' ', problem.Errors.SelectMany(error => error.Value.Select(text => $"{GrpcInput.ProtoName(error.Key)}: {text}")));
                status.Details.Add(Any.Pack(new BadRequest
                {
                    FieldViolations =
                    {
                        problem.Errors.SelectMany(error =>
                            error.Value.Select(text =>
                                new BadRequest.Types.FieldViolation { Field = GrpcInput.ProtoName(error.Key), Description = text }))
                    },
                }));
            }

            if (problem.RetryAfter is { } wait)
            {
                status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(wait) }));
            }

            return status.ToRpcException();
        }

        private static Code CodeOf(ProblemException problem) => problem.Status switch
        {
            StatusCodes.Status400BadRequest => Code.InvalidArgument,
            StatusCodes.Status401Unauthorized => Code.Unauthenticated,
            StatusCodes.Status403Forbidden => Code.PermissionDenied,
            StatusCodes.Status404NotFound => Code.NotFound,
            // A conflict on a field means that its value is taken; a conflict without a field means that the state forbids the change.
            StatusCodes.Status409Conflict => problem.Errors.Count > 0 ? Code.AlreadyExists : Code.FailedPrecondition,
            StatusCodes.Status412PreconditionFailed => Code.Aborted,
            StatusCodes.Status422UnprocessableEntity => Code.FailedPrecondition,
            StatusCodes.Status429TooManyRequests => Code.ResourceExhausted,
            StatusCodes.Status503ServiceUnavailable => Code.Unavailable,
            _ => Code.Internal,
        };
    }
}
