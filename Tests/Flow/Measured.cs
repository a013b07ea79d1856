using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Flow;

/// <summary>The values that the instruments of some services report until this object is disposed.</summary>
internal sealed class Measured : IDisposable
{
    private const string QueueTag = "messaging.destination.name";
    private readonly ConcurrentQueue<(string Name, string? Queue, double Value)> measurements = new();
    private readonly MeterListener listener = new();

    public Measured(TestPlatform platform, params string[] services)
    {
        // Other tests run their own services in this process; their values must not count.
        var factories = services.Select(service => platform.Services(service).GetRequiredService<IMeterFactory>()).ToHashSet<object>();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name.StartsWith("MicroPlatform.", StringComparison.Ordinal)
                && instrument.Meter.Scope is { } factory
                && factories.Contains(factory))
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.Start();
    }

    /// <summary>The sum of an instrument's values, for one queue if one is named.</summary>
    public double Sum(string name, string? queue = null) => Of(name, queue).Sum();

    /// <summary>The current or last value of a gauge; 0 if it has never reported one.</summary>
    public double Now(string name, string queue)
    {
        listener.RecordObservableInstruments();
        return Of(name, queue).LastOrDefault();
    }

    public void Dispose() => listener.Dispose();

    private IEnumerable<double> Of(string name, string? queue) =>
        measurements.Where(m =>
            string.Equals(m.Name, name, StringComparison.Ordinal)
                && (queue is null || string.Equals(m.Queue, queue, StringComparison.Ordinal))).Select(m =>
                m.Value);

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string? queue = null;
        foreach (var tag in tags)
        {
            queue = tag.Key is QueueTag ? (string?)tag.Value : queue;
        }

        measurements.Enqueue((instrument.Name, queue, value));
    }
}
