using System.ComponentModel.DataAnnotations;
using System.Globalization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Accounting;

/// <summary>Money taken for an order. It is never erased: voiding keeps it on record and takes it out of every total.</summary>
public sealed class Transaction
{
    /// <summary>The transaction's id.</summary>
    public long Id { get; init; }

    /// <summary>The order it is for: a free reference, which may repeat.</summary>
    public required long OrderId { get; set; }

    /// <summary>The sum, above zero.</summary>
    public required decimal Sum { get; init; }

    /// <summary>The time of payment (UTC).</summary>
    public required DateTimeOffset Date { get; init; }

    /// <summary>When it was voided (UTC); null while it counts.</summary>
    public DateTimeOffset? VoidedAt { get; private set; }

    /// <summary>What posted it without a person, such as <c>order:1</c>, at most once; null when staff entered it.</summary>
    public string? Source { get; init; }

    /// <summary>The <see cref="Source"/> of the transaction of a confirmed order.</summary>
    public static string SourceOf(long orderId) => FormattableString.Invariant($"order:{orderId}");

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }

    /// <summary>Books it on another order.</summary>
    /// <exception cref="ProblemException">409 when it is void, or belongs to a confirmed order.</exception>
    public void MoveTo(long orderId)
    {
        if (VoidedAt is not null)
        {
            throw ProblemException.Conflict("A voided transaction stays as it was.");
        }

        RequireManual();
        OrderId = orderId;
    }

    /// <summary>Voids it for staff; a repeated call changes nothing.</summary>
    /// <exception cref="ProblemException">409 when it belongs to a confirmed order.</exception>
    public void VoidManually(DateTimeOffset now)
    {
        if (VoidedAt is null)
        {
            RequireManual();
            Void(now);
        }
    }

    /// <summary>Takes it out of every total; a repeated call changes nothing.</summary>
    public void Void(DateTimeOffset now) => VoidedAt ??= now;

    // A confirmed order has exactly one valid transaction, so only the cancellation of the order voids it.
    private void RequireManual()
    {
        if (Source is not null)
        {
            var order = OrderId.ToString(CultureInfo.InvariantCulture);
            throw ProblemException.Conflict(
                $"This transaction was posted for order {order} and lives as long as the order is confirmed. "
                + $"Cancel the order (DELETE {Api.Prefix}/sales/orders/{order}) and it is voided.");
        }
    }
}
