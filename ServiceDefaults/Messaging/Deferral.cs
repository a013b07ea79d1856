using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Bus;
using Rebus.Messages;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Defers the current message.</summary>
/// <param name="services">Resolves the bus, which is created later.</param>
/// <param name="limit">How often a message is deferred before it becomes a dead letter.</param>
internal sealed class Deferral(IServiceProvider services, int limit)
{
    /// <returns>False when the message has reached the limit.</returns>
    public async Task<bool> TryAsync(IReadOnlyDictionary<string, string> headers)
    {
        var count = headers.TryGetValue(Headers.DeferCount, out var times) ? int.Parse(times, CultureInfo.InvariantCulture) : 0;
        if (count >= limit)
        {
            return false;
        }

        services.GetRequiredService<MessagingTelemetry>().CountRetry(headers.GetValueOrDefault(Headers.Type, "unknown"));
        // Half a second is added, because the transport truncates the remaining time to whole seconds.
        await services.GetRequiredService<IBus>().Advanced.TransportMessage.Defer(TimeSpan.FromSeconds((1L << Math.Min(count, 16)) + 0.5));
        return true;
    }
}
