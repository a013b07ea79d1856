using System.Diagnostics.Metrics;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Accounting;

/// <summary>The business metrics.</summary>
internal sealed class AccountingTelemetry
{
    private readonly Counter<double> revenue;

    public AccountingTelemetry(IMeterFactory meters) =>
        revenue = meters.Create(Telemetry.Prefix + "Accounting")
            .CreateCounter<double>("accounting.revenue", description: "Sums posted for confirmed orders; voided ones are not taken off");

    public void CountPosted(Transaction transaction)
    {
        if (transaction.VoidedAt is null)
        {
            revenue.Add((double)transaction.Sum);
        }
    }
}
