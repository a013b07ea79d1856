using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The addresses at which a service listens.</summary>
internal static class ListenAddresses
{
    /// <summary>The message about the first address that the service cannot listen at; null when every address is free.</summary>
    public static string? FirstUnusableAddress(this WebApplication app)
    {
        // Kestrel would report the error only after the migrations. Tests and the build of the OpenAPI documents use another server.
        if (app.Services.GetRequiredService<IServer>().GetType().Assembly != typeof(KestrelServer).Assembly)
        {
            return null;
        }

        foreach (var endpoint in app.Configuration.GetSection("Kestrel:Endpoints").GetChildren())
        {
            var url = BindingAddress.Parse(endpoint["Url"]!);
            var addresses = AddressesOf(url);
            foreach (var address in addresses)
            {
                try
                {
                    using var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(new IPEndPoint(address, url.Port));
                }
                // A machine may have only one of the two addresses of localhost.
                catch (SocketException failure) when (addresses is [_] || failure.SocketErrorCode is not SocketError.AddressNotAvailable)
                {
                    return $"The setting {endpoint.Path}:Url is \"{endpoint["Url"]}\", and nothing more can listen there "
                        + $"({failure.Message}): "
                        + "give a free address, or stop the program that has it.";
                }
            }
        }

        return null;
    }

    // As in Kestrel, a host name other than localhost means every address of the machine.
    private static IPAddress[] AddressesOf(BindingAddress url) =>
        url.IsUnixPipe || url.IsNamedPipe ? []
        : string.Equals(url.Host, "localhost", StringComparison.OrdinalIgnoreCase) ? [IPAddress.Loopback, .. IPv6(IPAddress.IPv6Loopback)]
        : IPAddress.TryParse(url.Host, out var address) ? [address]
        : [Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any];

    private static IPAddress[] IPv6(IPAddress address) => Socket.OSSupportsIPv6 ? [address] : [];
}
