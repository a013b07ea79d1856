using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>A request to change a password; each service decides who must send the current one.</summary>
public abstract record PasswordChange : IValidatableObject
{
    /// <summary>The current password.</summary>
    public abstract string? CurrentPassword { get; init; }

    /// <summary>The new password, 8 to 128 characters.</summary>
    [Required, NewPassword]
    public string? NewPassword { get; init; }

    /// <summary>The new password once more.</summary>
    [Required]
    public string? ConfirmNewPassword { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!string.Equals(NewPassword, ConfirmNewPassword, StringComparison.Ordinal))
        {
            yield return new("This is not the same as newPassword.", [nameof(ConfirmNewPassword)]);
        }
    }
}
