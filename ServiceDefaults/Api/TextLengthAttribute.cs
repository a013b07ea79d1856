using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Limits the number of characters of a text. Characters are code points, as in OpenAPI and PostgreSQL: an emoji counts as one, although a
/// .NET string holds it in two.
/// </summary>
/// <param name="maximumLength">The maximum number of characters.</param>
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
