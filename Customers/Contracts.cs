using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Customers;

/// <summary>A customer as others see it.</summary>
/// <param name="Id">The customer's id.</param>
/// <param name="Email">E-mail address.</param>
/// <param name="FirstName">Given name, may be empty.</param>
/// <param name="LastName">Family name, may be empty.</param>
/// <param name="IsAdmin">Whether the customer runs the shop.</param>
/// <param name="CreatedAt">When the account was made (UTC).</param>
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
    /// <summary>E-mail address, up to 254 characters, none of them invisible; unique, whatever the case of its letters.</summary>
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

    /// <summary>Whether the customer runs the shop; only an admin may say true.</summary>
    public bool? IsAdmin { get; init; }
}

/// <summary>What to change of a customer, at least one field; what is absent stays.</summary>
public sealed record UpdateCustomerRequest
{
    /// <summary>E-mail address, up to 254 characters, none of them invisible; unique, whatever the case of its letters.</summary>
    [Email]
    public string? Email { get; init; }

    /// <summary>Given name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? FirstName { get; init; }

    /// <summary>Family name, 1 to 256 characters, not only blanks.</summary>
    [TextLength(256, MinimumLength = 1), NotBlank]
    public string? LastName { get; init; }

    /// <summary>Whether the customer runs the shop; only an admin may change it.</summary>
    public bool? IsAdmin { get; init; }
}

/// <summary>A new password.</summary>
public sealed record ChangePasswordRequest : PasswordChange
{
    /// <summary>The present password; needed unless an admin changes somebody else's.</summary>
    [Password]
    public override string? CurrentPassword { get; init; }
}

/// <summary>E-mail address and password.</summary>
public sealed record LoginRequest
{
    /// <summary>E-mail address, in any case.</summary>
    [Required, TextLength(EmailAttribute.MaxLength)]
    public string? Email { get; init; }

    /// <summary>Password.</summary>
    [Required, Password]
    public string? Password { get; init; }
}
