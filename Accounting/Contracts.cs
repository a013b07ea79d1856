using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Accounting;

/// <summary>A transaction.</summary>
/// <param name="Id">The transaction's id.</param>
/// <param name="OrderId">The order number. It is not checked.</param>
/// <param name="Sum">The sum, above zero.</param>
/// <param name="Date">The time of payment (UTC).</param>
/// <param name="VoidedAt">When it was voided (UTC); null while it counts.</param>
/// <param name="Source">The automatic source, such as <c>order:1</c>; null when staff entered the transaction.</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record TransactionResponse(
    long Id, long OrderId, decimal Sum, DateTimeOffset Date, DateTimeOffset? VoidedAt, string? Source,
    [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of a transaction.</summary>
    public static readonly Expression<Func<Transaction, TransactionResponse>> FromTransaction =
        t => new(t.Id, t.OrderId, t.Sum, t.Date, t.VoidedAt, t.Source, t.Version);

    /// <summary>Maps a transaction that is already loaded.</summary>
    public static readonly Func<Transaction, TransactionResponse> Of = FromTransaction.Compile();
}

/// <summary>A new transaction.</summary>
public sealed record CreateTransactionRequest : IValidatableObject
{
    private static readonly DateTimeOffset FirstDate = new(1900, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset EndOfDates = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The order number, above 0. It is not checked and may repeat.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? OrderId { get; init; }

    /// <summary>The sum, 0.01 to 9,999,999,999.99.</summary>
    [Required, Range(typeof(decimal), "0.01", "9999999999.99", ParseLimitsInInvariantCulture = true)]
    public decimal? Sum { get; init; }

    /// <summary>The time of payment, in the years 1900 to 2199; now when absent.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Date < FirstDate || Date >= EndOfDates)
        {
            yield return new("This is not in the years 1900 to 2199.", [nameof(Date)]);
        }
    }
}

/// <summary>Changes of a transaction.</summary>
public sealed record UpdateTransactionRequest
{
    /// <summary>The order number, above 0.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? OrderId { get; init; }
}

/// <summary>Revenue by month.</summary>
/// <param name="Items">The months that have transactions, in order.</param>
/// <param name="Total">The sum over all of them.</param>
public sealed record SummaryResponse(IReadOnlyList<MonthSummary> Items, decimal Total);

/// <summary>Revenue of a month (UTC), without void transactions.</summary>
/// <param name="Month">The month, as in 2026-11.</param>
/// <param name="Count">The number of transactions.</param>
/// <param name="Total">The sum of the transactions.</param>
public sealed record MonthSummary(string Month, long Count, decimal Total);
