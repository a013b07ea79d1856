using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Bus;
using Rebus.Messages;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Puts the message at hand back for a while.</summary>
/// <param name="services">Has the bus, which is made after this.</param>
/// <param name="limit">How often a message is put back before it is given up.</param>
internal sealed class Deferral(IServiceProvider services, int limit)
{
    /// <returns>False when it has been put back often enough.</returns>
    public async Task<bool> TryAsync(IReadOnlyDictionary<string, string> headers)
    {
        var count = headers.TryGetValue(Headers.DeferCount, out var times) ? int.Parse(times, CultureInfo.InvariantCulture) : 0;
        if (count >= limit)
        {
            return false;
        }

        services.GetRequiredService<MessagingTelemetry>().CountRetry(headers.GetValueOrDefault(Headers.Type, "unknown"));
        // The transport cuts off fractions of a second, and some of this one pass on the way.
        await services.GetRequiredService<IBus>().Advanced.TransportMessage.Defer(TimeSpan.FromSeconds((1L << Math.Min(count, 16)) + 0.5));
        return true;
    }
}
