using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class ThrottleTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task After_ten_failures_even_the_right_password_is_refused_until_the_Retry_After_time()
    {
        var account = await platform.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(
                HttpStatusCode.Unauthorized,
                await LoginAsync(i % 2 == 0 ? account.Email : account.Email.ToUpperInvariant(), "wrongPass123"));
        }

        using var refused = await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password });
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 900);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());

        platform.Clock.Advance(refused.Headers.RetryAfter.Delta.Value);
        Assert.Equal(HttpStatusCode.OK, await LoginAsync(account.Email, TestPlatform.Password));
    }

    [Fact]
    public async Task A_successful_sign_in_resets_the_failure_count()
    {
        var account = await platform.RegisterAsync();
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 9; i++)
            {
                Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(account.Email, "wrongPass123"));
            }

            Assert.Equal(HttpStatusCode.OK, await LoginAsync(account.Email, TestPlatform.Password));
        }
    }

    [Fact]
    public async Task An_unknown_name_is_throttled_like_a_known_one()
    {
        var email = Accounts.NewEmail("nobody");
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(email, "wrongPass123"));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await LoginAsync(email, "wrongPass123"));
    }

    [Fact]
    public async Task Failures_of_one_account_do_not_block_another()
    {
        var (victim, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        for (var i = 0; i < 11; i++)
        {
            await LoginAsync(victim.Email, "wrongPass123");
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await LoginAsync(victim.Email, TestPlatform.Password));
        Assert.Equal(HttpStatusCode.OK, await LoginAsync(other.Email, TestPlatform.Password));
    }

    [Fact]
    [Trait("Covers", "N-06")]
    public async Task Guessing_the_current_password_is_throttled_too()
    {
        var account = await platform.RegisterAsync();
        var guess = new { currentPassword = "wrongPass123", newPassword = "another123", confirmNewPassword = "another123" };
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(
                ["currentPassword"],
                (await http.SendAsync("PUT", Accounts.Me + "/password", guess, account.AccessToken).ProblemAsync()).Fields);
        }

        Assert.Equal(
            HttpStatusCode.TooManyRequests,
            await http.SendAsync(
                "PUT", Accounts.Me + "/password", guess with { currentPassword = TestPlatform.Password },
                account.AccessToken).StatusAsync());
    }

    [Fact]
    public async Task Failed_sign_ins_under_crafted_names_do_not_block_a_password_change()
    {
        var account = await platform.RegisterAsync();
        foreach (var name in new[] { $"password of {account.Id}", $"password:{account.Id}", $"password:{account.Id}@example.com" })
        {
            for (var i = 0; i < 10; i++)
            {
                Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(name, "wrongPass123"));
            }
        }

        var change = new { currentPassword = TestPlatform.Password, newPassword = "another123", confirmNewPassword = "another123" };
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("PUT", Accounts.Me + "/password", change, account.AccessToken).StatusAsync());
    }

    [Theory]
    [InlineData("nobody")]
    [InlineData("password of 3")]
    [InlineData("@")]
    public async Task A_malformed_email_is_refused_like_a_wrong_password_and_not_counted(string name)
    {
        var before = await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sign_in_failures");
        var known = await http.SendAsync("POST", Accounts.Login, new { email = "nonadmin4@email.com", password = "wrongPass123" })
            .ProblemAsync();
        for (var i = 0; i < 11; i++)
        {
            Assert.Equivalent(known, await http.SendAsync("POST", Accounts.Login, new { email = name, password = TestPlatform.Password })
                .ProblemAsync(), strict: true);
        }

        await http.LoginAsync("nonadmin4@email.com");
        Assert.InRange(await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM sign_in_failures"), before, before + 1);
    }

    private Task<HttpStatusCode> LoginAsync(string email, string password) =>
        http.SendAsync("POST", Accounts.Login, new { email, password }).StatusAsync();
}
