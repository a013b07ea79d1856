using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>
/// Limits how often a password can be guessed. Failures are counted in the database, so that all replicas share the counts.
/// </summary>
internal sealed class SignInAttempts(ServiceDbContext db, AccountOptions options, TimeProvider time, IHttpContextAccessor caller)
{
    /// <summary>Counts the refused sign-ins.</summary>
    public static readonly Counter<long> Refused = new Meter(Telemetry.Prefix + "Accounts").CreateCounter<long>(
        "microplatform.sign_in.failures", description: "Sign-ins refused: wrong name or password, or too many failures before");

    /// <summary>The limits of a sign-in under a name: first that of the caller's address, then that of all addresses together.</summary>
    public Limit[] LimitsOfSignIn(string name)
    {
        var (key, address) = (Names.KeyOf(name), caller.HttpContext is { } http ? CallerAddress.Of(http) : "");
        return [new($"login-from:{address} {key}", options.MaxFailures), new($"login:{key}", options.MaxFailuresFromAnywhere)];
    }

    /// <summary>The limit of wrong current passwords in password changes of an account.</summary>
    public Limit[] LimitsOfPasswordChange(string accountId) => [new($"password:{accountId}", options.MaxFailures)];

    /// <summary>Refuses an attempt when one of its limits is reached.</summary>
    /// <exception cref="ProblemException">429, with the time until the failures no longer count.</exception>
    public async Task RequireAllowedAsync(Limit[] limits, CancellationToken cancellationToken)
    {
        var hashes = Array.ConvertAll(limits, limit => limit.Hash);
        var windowStart = time.GetUtcNow() - options.FailureWindow;
        var found = await db.Set<SignInFailures>().AsNoTracking()
            .Where(row => hashes.Contains(row.NameHash) && row.WindowStart > windowStart)
            .ToListAsync(cancellationToken);
        var full = found.Where(row => row.Count >= limits.Single(limit => limit.Hash.AsSpan().SequenceEqual(row.NameHash)).Max).ToList();
        if (full.Count > 0)
        {
            Refused.Add(1);
            throw ProblemException.TooManyRequests(
                "Too many failed attempts; wait as long as Retry-After says.", full.Max(row => row.WindowStart) - windowStart);
        }
    }

    /// <summary>Counts a failed attempt.</summary>
    public async Task CountFailureAsync(Limit[] limits, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var windowStart = now - options.FailureWindow;
        foreach (var limit in limits)
        {
            await db.Database.ExecuteSqlAsync($"""
                INSERT INTO sign_in_failures (name_hash, count, window_start) VALUES ({limit.Hash}, 1, {now})
                ON CONFLICT (name_hash) DO UPDATE SET
                    count = CASE WHEN sign_in_failures.window_start <= {windowStart} THEN 1 ELSE sign_in_failures.count + 1 END,
                    window_start = CASE WHEN sign_in_failures.window_start <= {windowStart} THEN {now}
                        ELSE sign_in_failures.window_start END
                """, cancellationToken);
        }
    }

    /// <summary>Clears the failures of the caller's address after the right password; those of other addresses still count.</summary>
    public Task ForgetOwnFailuresAsync(Limit[] limits, CancellationToken cancellationToken)
    {
        var own = limits[0].Hash;
        return db.Set<SignInFailures>().Where(row => row.NameHash == own).ExecuteDeleteAsync(cancellationToken);
    }

    /// <summary>How many failures are allowed under a name.</summary>
    internal sealed record Limit(string Name, int Max)
    {
        public byte[] Hash { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(Name));
    }
}
