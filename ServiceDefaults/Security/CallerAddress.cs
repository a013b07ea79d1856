using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The network address of the caller behind trusted proxies.</summary>
public static class CallerAddress
{
    // Loopback, private (RFC 1918, RFC 4193), shared (RFC 6598) and link-local networks.
    private static readonly string[] InsideNetworks =
    [
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "::1/128", "fc00::/7",
        "fe80::/10",
    ];

    /// <summary>
    /// Takes the caller's address from the <c>X-Forwarded-For</c> of proxies in <c>TrustedProxies</c>, of none by default.
    /// </summary>
    public static void TrustProxies(this WebApplicationBuilder builder) => builder.TrustProxies([]);

    /// <summary>The same for an internal service: by default it trusts peers in private networks, where the Gateway is.</summary>
    internal static void TrustInsideProxies(this WebApplicationBuilder builder) => builder.TrustProxies(InsideNetworks);

    /// <summary>
    /// The address for rate limits and failure counts. For IPv6 it is the /64 network, which usually belongs to one caller.
    /// </summary>
    public static string Of(HttpContext context)
    {
        var address = context.Connection.RemoteIpAddress ?? IPAddress.None;
        return address.IsIPv4MappedToIPv6 || address.AddressFamily == AddressFamily.InterNetwork
            ? address.MapToIPv4().ToString()
            : new IPAddress([.. address.GetAddressBytes()[..8], 0, 0, 0, 0, 0, 0, 0, 0]).ToString();
    }

    private static void TrustProxies(this WebApplicationBuilder builder, string[] unlessSet)
    {
        var given = builder.GetSettings(
            "TrustedProxies", "the network of proxies in front, such as 10.0.0.0/8", proxy => System.Net.IPNetwork.TryParse(proxy, out _));
        var proxies = given.Length > 0 ? given : unlessSet;
        if (proxies.Length == 0)
        {
            return;
        }

        builder.Services.AddSingleton<IStartupFilter, ForwardedHeadersFilter>();
        builder.Services.Configure<ForwardedHeadersOptions>(options =>
        {
            options.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
            options.KnownProxies.Clear();
            options.KnownIPNetworks.Clear();
            foreach (var proxy in proxies)
            {
                options.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(proxy));
            }
        });
    }

    /// <summary>Runs first, so that no other middleware sees the proxy's address.</summary>
    private sealed class ForwardedHeadersFilter : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.UseForwardedHeaders();
            next(app);
        };
    }
}
