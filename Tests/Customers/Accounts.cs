using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

/// <summary>A customer who has just signed in.</summary>
internal sealed record Account(long Id, string Email, string AccessToken, string RefreshToken);

/// <summary>Customers made for one test, so that no test sees what another did.</summary>
internal static class Accounts
{
    public const string Collection = "/api/v1/customers";
    public const string Me = Collection + "/me";
    public const string Login = "/api/v1/auth/login";
    public const string Refresh = "/api/v1/auth/refresh";
    public const string Logout = "/api/v1/auth/logout";
    public const string Admin = "admin1@email.com";

    public static string NewEmail(string name = "customer") => $"{name}-{Guid.NewGuid():N}@example.com";

    /// <summary>Registers a customer, an admin if asked for, and signs in.</summary>
    public static async Task<Account> RegisterAsync(this TestPlatform platform, string? email = null, bool isAdmin = false)
    {
        email ??= NewEmail();
        using var http = platform.Http("customers");
        var customer = await http.SendAsync(
            "POST", Collection, new { email, password = TestPlatform.Password, firstName = "First", lastName = "Last", isAdmin },
            isAdmin ? await platform.CustomerTokenAsync(Admin) : null)
            .JsonAsync(HttpStatusCode.Created);
        return await http.LoginAsync(email) with { Id = customer.GetProperty("id").GetInt64() };
    }

    /// <summary>Signs in, which must succeed.</summary>
    public static async Task<Account> LoginAsync(this HttpClient http, string email, string password = TestPlatform.Password)
    {
        var pair = await http.SendAsync("POST", Login, new { email, password }).JsonAsync();
        return new(0, email, pair.Text("accessToken"), pair.Text("refreshToken"));
    }

    public static string Text(this JsonElement json, string property) => json.GetProperty(property).GetString()!;
}
