using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>How passwords are kept.</summary>
public static class Passwords
{
    /// <summary>PBKDF2-HMAC-SHA512 iterations: OWASP's Password Storage Cheat Sheet asks for 210,000 (2023).</summary>
    public const int HashIterations = 210_000;

    /// <summary>The shortest password, in characters.</summary>
    public const int MinLength = 8;

    /// <summary>The longest password, in characters.</summary>
    public const int MaxLength = 128;

    /// <summary>The hash of a password, with the default number of iterations.</summary>
    public static string Hash(string password) => Hasher(HashIterations).HashPassword(HashIterations, password);

    internal static PasswordHasher<object> Hasher(int iterations) => new(Options.Create(new PasswordHasherOptions { IterationCount = iterations }));
}

/// <summary>Requires a new password to have 8 to 128 characters.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class NewPasswordAttribute() : StringLengthAttribute(Passwords.MaxLength)
{
    /// <inheritdoc />
    public override bool IsValid(object? value) => value is null or string { Length: >= Passwords.MinLength and <= Passwords.MaxLength };

    /// <inheritdoc />
    public override string FormatErrorMessage(string name) => $"The password has {Passwords.MinLength} to {Passwords.MaxLength} characters.";
}
