namespace MicroPlatform.ServiceDefaults;

/// <summary>The maximum price of one piece, the same in all services.</summary>
public static class Prices
{
    /// <summary>The largest price of one piece.</summary>
    public const string Max = "999999.99";

    /// <summary>The same in hundredths.</summary>
    public const long MaxCents = 99_999_999;
}
