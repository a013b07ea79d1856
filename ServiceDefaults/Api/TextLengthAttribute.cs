using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Requires a text of up to so many characters as OpenAPI and PostgreSQL count them, code points: an emoji is one, where a .NET string has
/// two.
/// </summary>
/// <param name="maximumLength">The most characters.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public class TextLengthAttribute(int maximumLength) : StringLengthAttribute(maximumLength)
{
    /// <inheritdoc />
    public override bool IsValid(object? value)
    {
        if (value is not string text)
        {
            return true;
        }

        var length = text.EnumerateRunes().Count();
        return length >= MinimumLength && length <= MaximumLength;
    }
}
