using System.Net;
using System.Text;
using Yarp.ReverseProxy.Forwarder;

namespace MicroPlatform.Gateway;

/// <summary>The Gateway's connections to the services: the call to a service that stays silent ends at the deadline.</summary>
internal sealed class ServiceHttpClientFactory(ProxyOptions options) : ForwarderHttpClientFactory
{
    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        handler.ConnectTimeout = options.ConnectTimeout;
        // The server reads headers as UTF-8 too. Otherwise a non-ASCII header could not be sent, and the replica would count as failed.
        handler.RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8;
        // A name may resolve to other machines later.
        handler.PooledConnectionLifetime = TimeSpan.FromMinutes(2);
        handler.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
    }

    protected override HttpMessageHandler WrapHandler(ForwarderHttpClientContext context, HttpMessageHandler handler) =>
        new SilenceHandler(base.WrapHandler(context, handler), options.Deadline);
}

/// <summary>
/// Limits each wait for a service. YARP's own timeout also runs while the caller sends or reads, and would cut off a slow one.
/// </summary>
internal sealed class SilenceHandler(HttpMessageHandler inner, TimeSpan deadline) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Not disposed: a service may answer before it has the whole body, which still sets the timer afterwards.
#pragma warning disable CA2000
        var silence = new CancellationTokenSource();
#pragma warning restore CA2000
        await using var cancelled = cancellationToken.UnsafeRegister(source => ((CancellationTokenSource)source!).Cancel(), silence);
        silence.CancelAfter(deadline);
        if (request.Content is { } body)
        {
            request.Content = Copy(new WatchedRequest(body, silence, deadline), body);
        }

        var response = await base.SendAsync(request, silence.Token);
        silence.CancelAfter(Timeout.InfiniteTimeSpan);
        var answer = new WatchedStream(await response.Content.ReadAsStreamAsync(cancellationToken), deadline);
        response.Content = Copy(new StreamContent(answer), response.Content);
        return response;
    }

    private static HttpContent Copy(HttpContent to, HttpContent from)
    {
        foreach (var (name, values) in from.Headers.NonValidated)
        {
            to.Headers.TryAddWithoutValidation(name, values);
        }

        return to;
    }

    /// <summary>The caller's body: time spent waiting for the caller is not the service's silence.</summary>
    private sealed class WatchedRequest(HttpContent body, CancellationTokenSource silence, TimeSpan deadline) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            silence.CancelAfter(Timeout.InfiniteTimeSpan);
            await body.CopyToAsync(new WatchedStream(stream, deadline), context, cancellationToken);
            silence.CancelAfter(deadline);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false; // the header contains the length if it is known
        }
    }

    /// <summary>A stream from or to a service; each read and write ends at the deadline.</summary>
    private sealed class WatchedStream(Stream inner, TimeSpan deadline) : Stream
    {
        public override bool CanRead => inner.CanRead;

        public override bool CanSeek => false;

        public override bool CanWrite => inner.CanWrite;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            InTimeAsync(token => inner.ReadAsync(buffer, token), cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            await InTimeAsync(async token =>
            {
                await inner.WriteAsync(buffer, token);
                return buffer.Length;
            }, cancellationToken);

        public override async Task FlushAsync(CancellationToken cancellationToken) =>
            await InTimeAsync(async token =>
            {
                await inner.FlushAsync(token);
                return 0;
            }, cancellationToken);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }

        private async ValueTask<int> InTimeAsync(Func<CancellationToken, ValueTask<int>> act, CancellationToken cancellationToken)
        {
            using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            silence.CancelAfter(deadline);
            try
            {
                return await act(silence.Token);
            }
            catch (OperationCanceledException silent) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException($"The service was silent for {deadline}.", silent);
            }
        }
    }
}
