using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Cart;

/// <summary>The checkout of a cart. While it is open, the cart cannot change.</summary>
public sealed class Checkout
{
    /// <summary>The id of the checkout, also in Sales, which creates at most one order for it.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The owner's customer id.</summary>
    public required long CustomerId { get; init; }

    /// <summary>The Idempotency-Key of the request that began it, if any. Another checkout may use the key after 24 hours.</summary>
    public string? IdempotencyKey { get; set; }

    /// <summary>
    /// The keys of later requests that found it open. Their repeats get this checkout too, even if the cart has changed since.
    /// </summary>
    public List<string> FoundWith { get; init; } = [];

    /// <summary>The total the caller expected, if the request contained one.</summary>
    public decimal? ExpectedTotal { get; init; }

    /// <summary>The ordered products, at the prices of that moment.</summary>
    public List<CheckoutLine> Lines { get; init; } = [];

    /// <summary>The sum of all lines.</summary>
    public decimal Total => Lines.Sum(line => line.Quantity * line.UnitPrice);

    /// <summary>The order of Sales; null until Sales has answered.</summary>
    public long? OrderId { get; set; }

    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the order was confirmed, rejected or cancelled, or the checkout given up (UTC); null while it is open.</summary>
    public DateTimeOffset? SettledAt { get; private set; }

    /// <summary>When it was given up (UTC), by its customer or because Sales did not answer for too long; null otherwise.</summary>
    public DateTimeOffset? GivenUpAt { get; private set; }

    /// <summary>Gives it up: an order that results from it is cancelled.</summary>
    public void GiveUp(DateTimeOffset now)
    {
        SettledAt ??= now;
        GivenUpAt ??= now;
    }

    /// <summary>Frees a key for another checkout.</summary>
    public void Forget(string key)
    {
        IdempotencyKey = string.Equals(IdempotencyKey, key, StringComparison.Ordinal) ? null : IdempotencyKey;
        FoundWith.Remove(key);
    }
}

/// <summary>A product of a checkout.</summary>
public sealed class CheckoutLine
{
    /// <summary>The product; null in old lines, which were stored without it.</summary>
    public long? ProductId { get; init; }

    /// <summary>The warehouse item that the product sells.</summary>
    public required string Sku { get; init; }

    /// <summary>Pieces.</summary>
    public required int Quantity { get; init; }

    /// <summary>Price of one piece at that moment.</summary>
    public required decimal UnitPrice { get; init; }
}

/// <summary>Options of a checkout.</summary>
public sealed record CheckoutRequest
{
    /// <summary>The total that the customer saw, 0.00 to 9,999,999,999.99. When it has changed, nothing is ordered.</summary>
    [Range(typeof(decimal), "0", "9999999999.99", ParseLimitsInInvariantCulture = true, ConvertValueInInvariantCulture = true)]
    public decimal? ExpectedTotal { get; init; }
}

/// <summary>A checkout that was accepted.</summary>
/// <param name="OrderId">The order's id. <c>Location</c> is the address at which to follow it.</param>
/// <param name="Status">Always <c>Pending</c>, because the warehouse has not answered yet.</param>
public sealed record CheckoutResponse(long OrderId, string Status);
