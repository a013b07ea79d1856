using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>What a refused gRPC call said: its status, the fields it named in rich details, its text, and the wait it advised.</summary>
internal sealed record Refusal(StatusCode Status, IReadOnlyList<string> Fields, string Detail, TimeSpan? RetryAfter);

/// <summary>gRPC calls and their refusals in one line each.</summary>
internal static class GrpcExtensions
{
    /// <summary>Options of a call with this value of <c>authorization</c>, or without any.</summary>
    public static CallOptions As(string? authorization) => new(
        authorization is null
            ? []
            : new Metadata { { "authorization", authorization } }, cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>How the call was refused; fails if it was not.</summary>
    public static async Task<Refusal> RefusalAsync<T>(this AsyncUnaryCall<T> call)
    {
        using (call)
        {
            return Of(await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync));
        }
    }

    /// <summary>How the stream was refused; fails if it was not.</summary>
    public static async Task<Refusal> RefusalAsync<T>(this AsyncServerStreamingCall<T> call)
    {
        using (call)
        {
            return Of(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)));
        }
    }

    /// <summary>Sends bytes that need not be the method's message.</summary>
    public static AsyncUnaryCall<byte[]> CallRaw(
        this GrpcChannel channel, string service, string method, byte[] message, string? authorization = null)
    {
        var bytes = Marshallers.Create(value => value, value => value);
        return channel.CreateCallInvoker().AsyncUnaryCall(
            new Method<byte[], byte[]>(MethodType.Unary, service, method, bytes, bytes), host: null, As(authorization), message);
    }

    private static Refusal Of(RpcException refused)
    {
        var status = refused.GetRpcStatus();
        return new(
            refused.StatusCode,
            [
                .. status?.GetDetail<BadRequest>()?.FieldViolations.Select(violation => violation.Field).Order(StringComparer.Ordinal)
                    ?? Enumerable.Empty<string>(),
            ],
            refused.Status.Detail,
            status?.GetDetail<RetryInfo>()?.RetryDelay.ToTimeSpan());
    }
}
