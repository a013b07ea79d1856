using System.Net;
using System.Net.Sockets;

namespace MicroPlatform.AppHost;

/// <summary>Finds ports on the loopback interface.</summary>
internal static class Ports
{
    // Below the range that operating systems give to outgoing connections, so that a restarted server can use its port again.
    private const int First = 10_240;
    private const int Last = 32_767;

    /// <summary>The preferred port when it is free, else any that is.</summary>
    public static int Free(int? preferred = null)
    {
        var port = preferred ?? Random.Shared.Next(First, Last + 1);
        while (!IsFree(port))
        {
            port = Random.Shared.Next(First, Last + 1);
        }

        return port;
    }

    /// <exception cref="StartupException">Another program listens on the port.</exception>
    public static void RequireFree(int port, string purpose, string wayOut)
    {
        if (!IsFree(port))
        {
            var finder = OperatingSystem.IsWindows() ? $"netstat -ano | findstr :{port}" : $"lsof -i :{port}";
            throw new StartupException(
                $"Port {port} for {purpose} is in use by another program. Stop that one ({finder} names it), or {wayOut}.");
        }
    }

    private static bool IsFree(int port) =>
        CanListen(IPAddress.Loopback, port) && (!Socket.OSSupportsIPv6 || CanListen(IPAddress.IPv6Loopback, port));

    private static bool CanListen(IPAddress address, int port)
    {
        using var listener = new TcpListener(address, port);
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode == SocketError.AddressNotAvailable; // the machine has no such address, so nobody listens on it
        }
    }
}
