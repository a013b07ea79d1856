using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Customers;

/// <summary>A customer without credentials.</summary>
/// <param name="Id">The customer's id.</param>
/// <param name="Email">E-mail address.</param>
/// <param name="FirstName">Given name, may be empty.</param>
/// <param name="LastName">Family name, may be empty.</param>
/// <param name="IsAdmin">Whether the customer is an admin of the shop.</param>
/// <param name="CreatedAt">When the account was created (UTC).</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record CustomerResponse(
    long Id, string Email, string FirstName, string LastName, bool IsAdmin, DateTimeOffset CreatedAt,
    [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of a customer.</summary>
    public static readonly Expression<Func<Customer, CustomerResponse>> FromCustomer =
        c => new(c.Id, c.Email, c.FirstName, c.LastName, c.IsAdmin, c.CreatedAt, c.Version);

    /// <summary>Maps a customer that is already loaded.</summary>
    public static readonly Func<Customer, CustomerResponse> Of = FromCustomer.Compile();
}

/// <summary>A new account.</summary>
public sealed record RegisterCustomerRequest
{
    /// <summary>E-mail address, up to 254 visible characters; unique, case-insensitive.</summary>
    [Required, Email]
    public string? Email { get; init; }

    /// <summary>Password, 8 to 128 characters.</summary>
    [Required, NewPassword]
    public string? Password { get; init; }

    /// <summary>Given name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? FirstName { get; init; }

    /// <summary>Family name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? LastName { get; init; }

    /// <summary>Whether the customer is an admin of the shop; only an admin may set true.</summary>
    public bool? IsAdmin { get; init; }
}

/// <summary>Changes of a customer, at least one field. Absent fields keep their values.</summary>
public sealed record UpdateCustomerRequest
{
    /// <summary>E-mail address, up to 254 visible characters; unique, case-insensitive.</summary>
    [Email]
    public string? Email { get; init; }

    /// <summary>Given name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? FirstName { get; init; }

    /// <summary>Family name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? LastName { get; init; }

    /// <summary>Whether the customer is an admin of the shop; only an admin may change it.</summary>
    public bool? IsAdmin { get; init; }
}

/// <summary>A new password.</summary>
public sealed record ChangePasswordRequest : PasswordChange
{
    /// <summary>The current password; required unless an admin changes another account's.</summary>
    [Password]
    public override string? CurrentPassword { get; init; }
}

/// <summary>E-mail address and password.</summary>
public sealed record LoginRequest
{
    /// <summary>E-mail address, case-insensitive.</summary>
    [Required, TextLength(EmailAttribute.MaxLength)]
    public string? Email { get; init; }

    /// <summary>Password.</summary>
    [Required, Password]
    public string? Password { get; init; }
}
