using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>Settings of an authority, section <c>Accounts</c>.</summary>
public sealed class AccountOptions
{
    /// <summary>Lifetime of an access token. Other services accept the token of an ended session for at most this long.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan AccessTokenLifetime { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a session can be continued by refreshing.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromDays(14);

    /// <summary>How long a key signs before the next takes over.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "365.00:00:00")]
    public TimeSpan KeyLifetime { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How long a new key is published before it signs; at least as long as other services cache a key set.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "7.00:00:00")]
    public TimeSpan KeyAnnouncement { get; set; } = TimeSpan.FromDays(2);

    /// <summary>PBKDF2-HMAC-SHA512 iterations; older hashes are renewed at the next sign-in.</summary>
    [Range(1, 10_000_000)]
    public int HashIterations { get; set; } = Passwords.HashIterations;

    /// <summary>
    /// Failed sign-ins under a name from one address, after which the name is refused to that address; also wrong current passwords, after
    /// which an account's password cannot be changed. 1 to 1,000.
    /// </summary>
    [Range(1, 1000)]
    public int MaxFailures { get; set; } = 10;

    /// <summary>
    /// Failed sign-ins under a name from all addresses together, after which the name is refused to every address. High enough that one
    /// attacker does not lock the owner out elsewhere, and a bound on what many addresses can guess. 1 to 100,000.
    /// </summary>
    [Range(1, 100_000)]
    public int MaxFailuresFromAnywhere { get; set; } = 100;

    /// <summary>The window in which failures count, and for which the name is then refused.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan FailureWindow { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>The secret that encrypts the signing keys in the database, at least 32 characters. There is no default.</summary>
    public string KeySecret { get; set; } = "";

    /// <summary>
    /// The previous secret, set while the secret is being changed. Keys that it decrypts are encrypted again with <see cref="KeySecret"/>.
    /// </summary>
    public string PreviousKeySecret { get; set; } = "";
}
