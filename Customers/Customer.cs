using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Customers;

/// <summary>Somebody who buys in the shop.</summary>
public sealed class Customer : Account<long>
{
    /// <summary>E-mail address; unique, whatever the case of its letters.</summary>
    public required string Email { get; set { field = value; EmailKey = Names.KeyOf(value); } }

    /// <summary>What uniqueness of the address and sign-in go by.</summary>
    public string EmailKey { get; private set; } = "";

    /// <summary>Given name, may be empty.</summary>
    public string FirstName { get; set; } = "";

    /// <summary>Family name, may be empty.</summary>
    public string LastName { get; set; } = "";

    /// <summary>Whether the customer runs the shop.</summary>
    public bool IsAdmin { get; set; }

    /// <inheritdoc />
    public override string Role => IsAdmin ? "admin" : "customer";
}
