using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace MicroPlatform.Tests.Flow;

/// <summary>
/// Forwards connections to PostgreSQL like a pooler that keeps no sessions: everything works except LISTEN, whose notifications are lost.
/// </summary>
internal sealed class NotificationDroppingPooler : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly string host;
    private readonly int port;
    private readonly Task accepting;
    private int dropped;

    public NotificationDroppingPooler(string host, int port)
    {
        (this.host, this.port) = (host, port);
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>How many notifications it dropped.</summary>
    public int Dropped => Volatile.Read(ref dropped);

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Dispose();
        await accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _ = ServeAsync(await listener.AcceptTcpClientAsync(stopping.Token));
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            await server.ConnectAsync(host, port, stopping.Token);
            var (down, up) = (client.GetStream(), server.GetStream());
            await Task.WhenAny(down.CopyToAsync(up, stopping.Token), AnswerAsync(up, down)); // until either side disconnects
        }
    }

    // A message of the server is a letter, a length that includes its own four bytes, and the content. A means notification.
    private async Task AnswerAsync(NetworkStream server, NetworkStream client)
    {
        var head = new byte[5];
        while (true)
        {
            await server.ReadExactlyAsync(head, stopping.Token);
            var content = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1)) - 4];
            await server.ReadExactlyAsync(content, stopping.Token);
            if (head[0] == (byte)'A')
            {
                Interlocked.Increment(ref dropped);
                continue;
            }

            await client.WriteAsync(head, stopping.Token);
            await client.WriteAsync(content, stopping.Token);
        }
    }
}
