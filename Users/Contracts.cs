using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Users;

/// <summary>An account as its owner and admins see it.</summary>
/// <param name="Id">The account's id, a UUID v7.</param>
/// <param name="Username">The name to sign in with.</param>
/// <param name="Email">E-mail address.</param>
/// <param name="Role">One of <c>user</c>, <c>staff</c>, <c>admin</c>.</param>
/// <param name="CreatedAt">When the account was created (UTC).</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record UserResponse(
    Guid Id, string Username, string Email, string Role, DateTimeOffset CreatedAt, [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of an account.</summary>
    public static readonly Expression<Func<User, UserResponse>> FromUser = u =>
        new(u.Id, u.Username, u.Email, u.Role, u.CreatedAt, u.Version);

    /// <summary>Maps an account that is already loaded.</summary>
    public static readonly Func<User, UserResponse> Of = FromUser.Compile();
}

/// <summary>A new account.</summary>
public sealed record RegisterUserRequest
{
    /// <summary>
    /// The name to sign in with: 1 to 100 letters, digits and <c>. _ - @ +</c>; unique, whatever the case of its letters.
    /// </summary>
    [Required, Username]
    public string? Username { get; init; }

    /// <summary>Password, 8 to 128 characters.</summary>
    [Required, NewPassword]
    public string? Password { get; init; }

    /// <summary>E-mail address, up to 254 visible characters; unique, case-insensitive.</summary>
    [Required, Email]
    public string? Email { get; init; }
}

/// <summary>Changes of your account, at least one field. Absent fields keep their values.</summary>
public sealed record UpdateMeRequest
{
    /// <summary>
    /// The name to sign in with: 1 to 100 letters, digits and <c>. _ - @ +</c>; unique, whatever the case of its letters.
    /// </summary>
    [Username]
    public string? Username { get; init; }

    /// <summary>E-mail address, up to 254 visible characters; unique, case-insensitive.</summary>
    [Email]
    public string? Email { get; init; }
}

/// <summary>Changes of an account by an admin.</summary>
public sealed record ChangeRoleRequest
{
    /// <summary>One of <c>user</c>, <c>staff</c>, <c>admin</c>. A change ends every session of the account.</summary>
    [Required, AllowedValues(Roles.User, Roles.Staff, Roles.Admin, null, ErrorMessage = "A role is user, staff or admin.")]
    public string? Role { get; init; }
}

/// <summary>A new password.</summary>
public sealed record ChangePasswordRequest : PasswordChange
{
    /// <summary>The current password.</summary>
    [Required, Password]
    public override string? CurrentPassword { get; init; }
}

/// <summary>Username and password.</summary>
public sealed record LoginRequest
{
    /// <summary>The username, case-insensitive.</summary>
    [Required, TextLength(UsernameAttribute.MaxLength)]
    public string? Username { get; init; }

    /// <summary>Password.</summary>
    [Required, Password]
    public string? Password { get; init; }
}

/// <summary>
/// Requires 1 to 100 letters and digits of any script, and <c>. _ - @ +</c>. Invisible characters are refused, because they make
/// different names look the same.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class UsernameAttribute() : TextLengthAttribute(MaxLength)
{
    /// <summary>The longest username, in characters.</summary>
    public const int MaxLength = 100;

    /// <inheritdoc />
    public override bool IsValid(object? value) => value is null || (base.IsValid(value) && Names.IsUsername((string)value));

    /// <inheritdoc />
    public override string FormatErrorMessage(string name) => $"A username has 1 to {MaxLength} letters, digits and . _ - @ +.";
}
