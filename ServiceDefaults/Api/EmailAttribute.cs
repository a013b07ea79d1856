using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Requires an e-mail address by <see cref="Names.IsEmail"/>, of up to 254 characters (RFC 5321).</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class EmailAttribute : ValidationAttribute
{
    /// <summary>The longest address, in characters.</summary>
    public const int MaxLength = 254;

    private static readonly TextLengthAttribute Length = new(MaxLength);

    /// <inheritdoc />
    public override bool IsValid(object? value) => value is null || (value is string text && Length.IsValid(text) && Names.IsEmail(text));

    /// <inheritdoc />
    public override string FormatErrorMessage(string name) => $"This is not an e-mail address of up to {MaxLength} characters.";
}
