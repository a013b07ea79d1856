using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Customers;

/// <summary>A customer of the shop.</summary>
public sealed class Customer : Account<long>
{
    /// <summary>E-mail address; unique, whatever the case of its letters.</summary>
    public required string Email { get; set { field = value; EmailKey = Names.KeyOf(value); } }

    /// <summary>The lookup key of the address, for uniqueness and sign-in.</summary>
    public string EmailKey { get; private set; } = "";

    /// <summary>Given name, may be empty.</summary>
    public string FirstName { get; set; } = "";

    /// <summary>Family name, may be empty.</summary>
    public string LastName { get; set; } = "";

    /// <summary>Whether the customer is an admin of the shop.</summary>
    public bool IsAdmin { get; set; }

    /// <inheritdoc />
    public override string Role => IsAdmin ? "admin" : "customer";
}
