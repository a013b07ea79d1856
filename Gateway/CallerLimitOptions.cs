using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Gateway;

/// <summary>Rate limits for one caller, section <c>RateLimit</c>; strict by default.</summary>
internal sealed class CallerLimitOptions
{
    /// <summary>Calls a second in the long run.</summary>
    [Range(1, 1_000_000)]
    public int PermitsPerSecond { get; set; } = 20;

    /// <summary>The most calls at once.</summary>
    [Range(1, 1_000_000)]
    public int Burst { get; set; } = 60;

    /// <summary>Sign-ins and registrations of one address, a minute in the long run.</summary>
    [Range(1, 1_000_000)]
    public int SignInsPerMinute { get; set; } = 20;

    /// <summary>Sign-ins and registrations of one address at once.</summary>
    [Range(1, 1_000_000)]
    public int SignInBurst { get; set; } = 20;

    /// <summary>Streams of one caller that are open at the same time.</summary>
    [Range(1, 1_000_000)]
    public int StreamsPerCaller { get; set; } = 10;

    /// <summary>Streams of all callers that are open at the same time.</summary>
    [Range(1, 1_000_000)]
    public int Streams { get; set; } = 1000;
}
