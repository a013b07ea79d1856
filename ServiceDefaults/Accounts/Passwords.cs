using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>How passwords are kept.</summary>
public static class Passwords
{
    /// <summary>PBKDF2-HMAC-SHA512 iterations: OWASP's Password Storage Cheat Sheet asks for 210,000 (2023).</summary>
    public const int HashIterations = 210_000;

    /// <summary>The shortest password, in characters (code points of its form KC).</summary>
    public const int MinLength = 8;

    /// <summary>The longest password, in characters (code points of its form KC).</summary>
    public const int MaxLength = 128;

    // Normalization cannot shorten a longer text to a valid password, and its cost grows faster than the text.
    private const int MaxLengthAsSent = 8 * MaxLength;

    /// <summary>The hash of a password, with the default number of iterations.</summary>
    public static string Hash(string password) => Hasher(HashIterations).Hash(password);

    internal static PasswordHasher<object> Hasher(int iterations) =>
        new(Options.Create(new PasswordHasherOptions { IterationCount = iterations }));

    /// <summary>The hash of a password in form KC, so that equivalent characters give the same password (RFC 8265, section 4.2).</summary>
    internal static string Hash(this PasswordHasher<object> hasher, string password) =>
        hasher.HashPassword(hasher, Normalization.ToFormKC(password));

    /// <summary>Whether the hash is that of the password. A hash made without normalization is accepted and must be renewed.</summary>
    internal static PasswordVerificationResult Verify(this PasswordHasher<object> hasher, string hash, string password)
    {
        var normalized = Normalization.ToFormKC(password);
        var result = hasher.VerifyHashedPassword(hasher, hash, normalized);
        return result == PasswordVerificationResult.Failed && !string.Equals(normalized, password, StringComparison.Ordinal)
            && hasher.VerifyHashedPassword(hasher, hash, password) != PasswordVerificationResult.Failed
                ? PasswordVerificationResult.SuccessRehashNeeded
                : result;
    }

    /// <summary>Characters of the password's form KC; null for a text that is longer than any password.</summary>
    internal static int? LengthOf(string password) =>
        password.Length > MaxLengthAsSent ? null : Normalization.ToFormKC(password).EnumerateRunes().Count();
}

/// <summary>Requires a new password to have 8 to 128 characters.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class NewPasswordAttribute() : StringLengthAttribute(Passwords.MaxLength)
{
    /// <inheritdoc />
    public override bool IsValid(object? value) =>
        value is null || (value is string password && Passwords.LengthOf(password) is >= Passwords.MinLength and <= Passwords.MaxLength);

    /// <inheritdoc />
    public override string FormatErrorMessage(string name) =>
        $"The password has {Passwords.MinLength} to {Passwords.MaxLength} characters.";
}

/// <summary>Refuses a text that is too long for any password, before it is hashed.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class PasswordAttribute() : TextLengthAttribute(Passwords.MaxLength)
{
    /// <inheritdoc />
    public override bool IsValid(object? value) =>
        base.IsValid(value) || (value is string password && Passwords.LengthOf(password) <= Passwords.MaxLength);
}
