using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Requires at least one visible character.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class NotBlankAttribute() : ValidationAttribute("This must not be blank.")
{
    /// <inheritdoc />
    public override bool IsValid(object? value) => value is not string text || !Names.IsBlank(text);
}
