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

/// <summary>Somebody who keeps to-dos or runs the business.</summary>
public sealed class User : Account<Guid>
{
    private string role = Roles.User;

    /// <summary>The name to sign in with; unique, whatever the case of its letters.</summary>
    public required string Username { get; set { field = value; UsernameKey = KeyOf(value); } }

    /// <summary>What uniqueness of the name and sign-in go by.</summary>
    public string UsernameKey { get; private set; } = "";

    /// <summary>E-mail address; unique, whatever the case of its letters.</summary>
    public required string Email { get; set { field = value; EmailKey = KeyOf(value); } }

    /// <summary>What uniqueness of the address goes by.</summary>
    public string EmailKey { get; private set; } = "";

    /// <inheritdoc />
    public override string Role => role;

    /// <summary>Gives the account another role, one of <see cref="Roles"/>.</summary>
    public void Grant(string granted) => role = granted;

    /// <summary>Equal for names that differ only in case; made here, so that no database's locale has a say in who may sign in.</summary>
    public static string KeyOf(string name) => name.ToLowerInvariant();
}
