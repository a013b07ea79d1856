using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The answer to a refused gRPC call: status, fields in the rich details, text, and advised wait.</summary>
internal sealed record Refusal(StatusCode Status, IReadOnlyList<string> Fields, string Detail, TimeSpan? RetryAfter);

/// <summary>Helpers for gRPC calls and their refusals.</summary>
internal static class GrpcExtensions
{
    /// <summary>Options of a call with this value of <c>authorization</c>, or without any.</summary>
    public static CallOptions As(string? authorization) => new(
        authorization is null
            ? []
            : new Metadata { { "authorization", authorization } }, cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>The refusal of the call; fails if the call succeeded.</summary>
    public static async Task<Refusal> RefusalAsync<T>(this AsyncUnaryCall<T> call)
    {
        using (call)
        {
            return Of(await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync));
        }
    }

    /// <summary>The refusal of the stream; fails if the stream opened.</summary>
    public static async Task<Refusal> RefusalAsync<T>(this AsyncServerStreamingCall<T> call)
    {
        using (call)
        {
            return Of(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)));
        }
    }

    /// <summary>Sends bytes, which need not be a valid message of the method.</summary>
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
