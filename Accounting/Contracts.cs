using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Accounting;

/// <summary>A transaction as the books have it.</summary>
/// <param name="Id">The transaction's id.</param>
/// <param name="OrderId">The order it is for: a free reference.</param>
/// <param name="Sum">The sum, above zero.</param>
/// <param name="Date">When the money was taken (UTC).</param>
/// <param name="VoidedAt">When it was voided (UTC); null while it counts.</param>
/// <param name="Source">What posted it without a person, such as <c>order:1</c>; null when staff entered it.</param>
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

    /// <summary>The order it is for, above zero: a free reference, which may repeat.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? OrderId { get; init; }

    /// <summary>The sum, 0.01 to 9,999,999,999.99.</summary>
    [Required, Range(typeof(decimal), "0.01", "9999999999.99", ParseLimitsInInvariantCulture = true)]
    public decimal? Sum { get; init; }

    /// <summary>When the money was taken, in the years 1900 to 2199; now when absent.</summary>
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

/// <summary>What can be changed of a transaction.</summary>
public sealed record UpdateTransactionRequest
{
    /// <summary>The order it is for, above zero.</summary>
    [Required, Range(1, long.MaxValue, ErrorMessage = "This must be 1 or more.")]
    public long? OrderId { get; init; }
}

/// <summary>What came in, by month.</summary>
/// <param name="Items">The months that have transactions, in order.</param>
/// <param name="Total">The sum over all of them.</param>
public sealed record SummaryResponse(IReadOnlyList<MonthSummary> Items, decimal Total);

/// <summary>What came in during a month (UTC), void transactions left out.</summary>
/// <param name="Month">The month, as in 2026-11.</param>
/// <param name="Count">How many transactions.</param>
/// <param name="Total">Their sum.</param>
public sealed record MonthSummary(string Month, long Count, decimal Total);
