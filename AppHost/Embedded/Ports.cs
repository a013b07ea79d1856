using System.Net;
using System.Net.Sockets;

namespace MicroPlatform.AppHost;

/// <summary>Finds ports to listen on.</summary>
internal static class Ports
{
    // Below what operating systems hand to outgoing connections, so that a port is still free when a service comes back to it.
    private const int First = 10_240;
    private const int Last = 32_767;
    private static readonly HashSet<int> Taken = [];
    private static readonly Lock Gate = new();

    /// <summary>The port asked for when it is free, else any.</summary>
    public static int Take(int? preferred = null)
    {
        lock (Gate)
        {
            for (var port = preferred ?? Any(); ; port = Any())
            {
                if (IsFree(port) && Taken.Add(port))
                {
                    return port;
                }
            }
        }
    }

    /// <summary>Gives a port back.</summary>
    public static void Return(int port)
    {
        lock (Gate)
        {
            Taken.Remove(port);
        }
    }

    /// <summary>The command that names the program on a port.</summary>
    public static string HowToAsk(int port) => OperatingSystem.IsWindows() ? $"netstat -ano | findstr :{port}" : $"lsof -i :{port}";

    private static bool IsFree(int port) => CanListen(IPAddress.Loopback, port) && (!Socket.OSSupportsIPv6 || CanListen(IPAddress.IPv6Loopback, port));

    private static int Any() => Random.Shared.Next(First, Last + 1);

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
            return error.SocketErrorCode == SocketError.AddressNotAvailable; // no such address here, so nobody is on it
        }
    }
}
