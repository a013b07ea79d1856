using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Users;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    public static readonly object[] All =
    [
        new UserResponse(
            Guid.Parse("01900000-0000-7000-8000-000000000003"), "alice", "alice@example.com", Roles.User,
            new(2026, 1, 5, 9, 0, 0, TimeSpan.Zero), Version: 0),
        new RegisterUserRequest { Username = "margaret", Password = "apollo-guides-us", Email = "margaret@example.com" },
        new UpdateMeRequest { Email = "alice@example.org" },
        new ChangeRoleRequest { Role = Roles.Staff },
        new ChangePasswordRequest
        {
            CurrentPassword = "testPass123",
            NewPassword = "a-longer-passphrase",
            ConfirmNewPassword = "a-longer-passphrase",
        },
        new LoginRequest { Username = "alice", Password = "testPass123" },
        new RefreshRequest { RefreshToken = TokenPair.Example.RefreshToken },
        TokenPair.Example,
    ];
}
