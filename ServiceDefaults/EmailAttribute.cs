using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Requires an e-mail address that mail can be sent to: something, one @, a domain; up to 254 characters (RFC 5321).</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class EmailAttribute : ValidationAttribute
{
    /// <summary>The longest address, in characters.</summary>
    public const int MaxLength = 254;

    /// <inheritdoc />
    public override bool IsValid(object? value) =>
        value is null || (value is string { Length: <= MaxLength } text && System.Net.Mail.MailAddress.TryCreate(text, out var address) && string.Equals(address.Address, text, StringComparison.Ordinal));

    /// <inheritdoc />
    public override string FormatErrorMessage(string name) => $"This is not an e-mail address of up to {MaxLength} characters.";
}
