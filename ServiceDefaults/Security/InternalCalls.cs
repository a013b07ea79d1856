using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The keys of gRPC that only services of the platform may call: each of at least 32 visible ASCII characters.</summary>
public sealed class InternalCallOptions
{
    /// <summary>The key that calls carry, and that is accepted.</summary>
    public string Key { get; set; } = "";

    /// <summary>Another key that is accepted while <see cref="Key"/> is being changed; empty when there is none.</summary>
    public string PreviousKey { get; set; } = "";
}

/// <summary>gRPC that only services of the platform may call: callers authenticate with a key that all services share.</summary>
public static class InternalCalls
{
    /// <summary>The metadata that carries the key.</summary>
    public const string HeaderName = "internal-call-key";

    /// <summary>The policy that requires the key, in addition to the other policies of an endpoint.</summary>
    public const string Policy = "internal-call";

    internal const string Refusal = $"Only services of this platform may call this method, with their key as the metadata {HeaderName}.";

    /// <summary>Adds gRPC that requires the key.</summary>
    public static WebApplicationBuilder AddInternalGrpc(this WebApplicationBuilder builder)
    {
        var options = builder.AddInternalCallOptions();
        byte[][] accepted = [.. new[] { options.Key, options.PreviousKey }.Where(IsKey).Select(Hash)];
        // A failed requirement would answer PERMISSION_DENIED to a valid token, with a message about tokens.
        builder.Services.AddAuthorizationBuilder().AddPolicy(Policy, policy => policy.RequireAssertion(context =>
            HasKey((HttpContext)context.Resource!, accepted) ? true : throw ProblemException.Unauthorized(Refusal)));
        return builder.AddGrpcDefaults();
    }

    /// <summary>Maps a gRPC service that requires the key. Health and, in development, reflection do not require it.</summary>
    public static void MapInternalGrpc<TService>(this IEndpointRouteBuilder app)
        where TService : class =>
        app.MapGrpc<TService>().RequireAuthorization(Policy);

    /// <summary>Sends the key with every call of the client.</summary>
    internal static IHttpClientBuilder AddInternalCallKey(this IHttpClientBuilder client, WebApplicationBuilder builder)
    {
        var key = builder.AddInternalCallOptions().Key;
        return client.AddInterceptor(services => new KeyInterceptor(key, services.GetRequiredService<ILogger<KeyInterceptor>>()));
    }

    private static InternalCallOptions AddInternalCallOptions(this WebApplicationBuilder builder)
    {
        const string Expected = "the key of at least 32 visible ASCII characters that calls between services carry";
        var options = builder.AddSettings<InternalCallOptions>("InternalCalls");
        if (!IsKey(options.Key))
        {
            builder.RejectSetting("InternalCalls:Key", Expected, isSecret: true);
        }

        if (options.PreviousKey.Length > 0 && !IsKey(options.PreviousKey))
        {
            builder.RejectSetting("InternalCalls:PreviousKey", $"{Expected} too while it is changed, or nothing", isSecret: true);
        }

        return options;
    }

    private static bool IsKey(string text) => text.Length >= 32 && text.All(c => c is > ' ' and <= '~');

    private static bool HasKey(HttpContext context, byte[][] accepted)
    {
        if (context.Request.Headers[HeaderName] is not [{ } sent])
        {
            return false;
        }

        // Hashes have a fixed length, so the time of the comparison reveals nothing about the keys.
        var hash = Hash(sent);
        return accepted.Any(key => CryptographicOperations.FixedTimeEquals(key, hash));
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private sealed class KeyInterceptor(string key, ILogger<KeyInterceptor> logger) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            Metadata headers = [.. context.Options.Headers ?? [], new(HeaderName, key)];
            var call = continuation(request, new(context.Method, context.Host, context.Options.WithHeaders(headers)));
            var answer = AnswerAsync(call.ResponseAsync, context.Method.FullName);
            return new(answer, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        // A refused key is an error of the platform. UNAUTHENTICATED would make people sign in again.
        private async Task<T> AnswerAsync<T>(Task<T> answer, string method)
        {
            try
            {
                return await answer;
            }
            catch (RpcException refused) when (refused.StatusCode == StatusCode.Unauthenticated
                && string.Equals(refused.Status.Detail, Refusal, StringComparison.Ordinal))
            {
                logger.LogError("{Method} does not accept the setting InternalCalls:Key of this service", method);
                throw new RpcException(new(StatusCode.Unavailable, Refusal));
            }
        }
    }
}
