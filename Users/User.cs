using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Users;

/// <summary>What an account of Users may do.</summary>
public static class Roles
{
    /// <summary>Keeps to-dos.</summary>
    public const string User = "user";

    /// <summary>Also works in the back office.</summary>
    public const string Staff = "staff";

    /// <summary>Also grants roles.</summary>
    public const string Admin = "admin";
}

/// <summary>A user of the to-do application or a member of staff.</summary>
public sealed class User : Account<Guid>
{
    private string role = Roles.User;

    /// <summary>The name to sign in with; unique, whatever the case of its letters.</summary>
    public required string Username { get; set { field = value; UsernameKey = Names.KeyOf(value); } }

    /// <summary>The lookup key of the name, for uniqueness and sign-in.</summary>
    public string UsernameKey { get; private set; } = "";

    /// <summary>E-mail address; unique, whatever the case of its letters.</summary>
    public required string Email { get; set { field = value; EmailKey = Names.KeyOf(value); } }

    /// <summary>The lookup key of the address, for uniqueness.</summary>
    public string EmailKey { get; private set; } = "";

    /// <inheritdoc />
    public override string Role => role;

    /// <summary>Gives the account another role, one of <see cref="Roles"/>.</summary>
    public void Grant(string granted) => role = granted;
}
