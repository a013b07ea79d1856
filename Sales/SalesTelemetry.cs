using System.Diagnostics.Metrics;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Sales;

/// <summary>The business metrics.</summary>
internal sealed class SalesTelemetry
{
    private readonly Counter<long> confirmed;
    private readonly Counter<double> revenue;

    public SalesTelemetry(IMeterFactory meters)
    {
        var meter = meters.Create(Telemetry.Prefix + "Sales");
        Placed = meter.CreateCounter<long>("sales.orders.placed", unit: "{order}", description: "Orders placed");
        Rejected =
            meter.CreateCounter<long>("sales.orders.rejected", unit: "{order}", description: "Orders that the warehouse could not serve");
        confirmed = meter.CreateCounter<long>("sales.orders.confirmed", unit: "{order}", description: "Orders confirmed");
        revenue = meter.CreateCounter<double>("sales.revenue", description: "Totals of confirmed orders; cancelled ones are not taken off");
        Cancelled = meter.CreateCounter<long>("sales.orders.cancelled", unit: "{order}", description: "Orders cancelled");
    }

    public Counter<long> Placed { get; }

    public Counter<long> Rejected { get; }

    public Counter<long> Cancelled { get; }

    public void CountConfirmed(Order order)
    {
        confirmed.Add(1);
        revenue.Add((double)order.Lines.Sum(line => line.Quantity * line.UnitPrice));
    }
}
