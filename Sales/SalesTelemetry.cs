using System.Diagnostics.Metrics;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Sales;

/// <summary>What the business counts.</summary>
internal sealed class SalesTelemetry
{
    public SalesTelemetry(IMeterFactory meters)
    {
        var meter = meters.Create(Telemetry.Prefix + "Sales");
        Placed = meter.CreateCounter<long>("sales.orders.placed", unit: "{order}", description: "Orders placed");
        Cancelled = meter.CreateCounter<long>("sales.orders.cancelled", unit: "{order}", description: "Orders cancelled");
    }

    public Counter<long> Placed { get; }

    public Counter<long> Cancelled { get; }
}
