using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Users;

/// <summary>A user who has just signed in.</summary>
internal sealed record NewUser(Guid Id, string Username, string AccessToken, string RefreshToken)
{
    public string Email => $"{Username}@example.com";
}

/// <summary>Users made for one test, so that no test sees what another did.</summary>
internal static class NewUsers
{
    public const string Collection = "/api/v1/users";
    public const string Me = Collection + "/me";
    public const string Login = Collection + "/login";

    public static string NewName(string prefix = "user") => $"{prefix}-{Guid.NewGuid():N}";

    public static async Task<NewUser> NewUserAsync(this TestPlatform platform, string prefix = "user")
    {
        var username = NewName(prefix);
        using var http = platform.Http("users");
        var user = await http.SendAsync(
            "POST", Collection,
            new { username, password = TestPlatform.Password, email = $"{username}@example.com" }).JsonAsync(HttpStatusCode.Created);
        return await http.SignInAsync(username) with { Id = user.GetProperty("id").GetGuid() };
    }

    /// <summary>Signs in, which must succeed.</summary>
    public static async Task<NewUser> SignInAsync(this HttpClient http, string username, string password = TestPlatform.Password)
    {
        var tokens = await http.SendAsync("POST", Login, new { username, password }).JsonAsync();
        return new(Guid.Empty, username, tokens.Text("accessToken"), tokens.Text("refreshToken"));
    }

    public static string Text(this JsonElement json, string property) => json.GetProperty(property).GetString()!;
}
