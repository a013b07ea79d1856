using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Requires a text that shows something: white space and invisible characters alone do not.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class NotBlankAttribute() : ValidationAttribute("This must not be blank.")
{
    /// <inheritdoc />
    public override bool IsValid(object? value) => value is not string text || !Names.IsBlank(text);
}
