using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Customers;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    public static readonly object[] All =
    [
        new CustomerResponse(
            3, "nonadmin3@email.com", "Grace", "Customer", IsAdmin: false, new(2026, 1, 5, 9, 0, 0, TimeSpan.Zero), Version: 0),
        new RegisterCustomerRequest
        {
            Email = "margaret@example.com",
            Password = "apollo-guides-us",
            FirstName = "Margaret",
            LastName = "Hamilton",
        },
        new UpdateCustomerRequest { FirstName = "Grace", LastName = "Hopper" },
        new ChangePasswordRequest
        {
            CurrentPassword = "testPass123",
            NewPassword = "a-longer-passphrase",
            ConfirmNewPassword = "a-longer-passphrase",
        },
        new LoginRequest { Email = "nonadmin3@email.com", Password = "testPass123" },
        new RefreshRequest { RefreshToken = TokenPair.Example.RefreshToken },
        TokenPair.Example,
    ];
}
