namespace MicroPlatform.ServiceDefaults;

/// <summary>What a piece may cost at most, the same wherever something is priced, sold or ordered.</summary>
public static class Prices
{
    /// <summary>The largest price of one piece.</summary>
    public const string Max = "999999.99";

    /// <summary>The same in hundredths.</summary>
    public const long MaxCents = 99_999_999;
}
