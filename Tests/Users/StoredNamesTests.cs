using System.Net;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Users;

/// <summary>Accounts that are older than the rules for names.</summary>
[Trait("Speed", "slow")]
public sealed class StoredNamesTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task Name_keys_are_recomputed_at_the_start_and_every_account_can_still_sign_in()
    {
        // These keys are only in lower case; the first account of each pair is older.
        await RegisterOldAsync("γιώργος.παππάς", "γιώργος.παππάς", "giorgos@example.com", days: 3);
        await RegisterOldAsync("ΓΙΏΡΓΟΣ.ΠΑΠΠΆΣ", "γιώργοσ.παππάσ", "giorgos2@example.com", days: 2);
        await RegisterOldAsync("Jose\u0301", "jose\u0301", "Jose\u0301@example.com", days: 3);
        await RegisterOldAsync("Straße", "straße", "strasse@example.com", days: 3);
        await RegisterOldAsync("strasse", "strasse", "strasse2@example.com", days: 2);
        await RegisterOldAsync("hidden\u3164", "hidden\u3164", "hidden@example.com", days: 1);

        for (var i = 0; i < 2; i++) // the second start finds nothing to do
        {
            await platform.StopAsync("users");
            platform.Restart("users");
            using var http = platform.Http("users");

            Assert.Equal("giorgos@example.com", await EmailOfAsync(http, "γιώργος.παππάς"));
            Assert.Equal("giorgos@example.com", await EmailOfAsync(http, "Γιώργος.Παππάς"));
            Assert.Equal("giorgos2@example.com", await EmailOfAsync(http, "ΓΙΏΡΓΟΣ.ΠΑΠΠΆΣ"));
            Assert.Equal("Jose\u0301@example.com", await EmailOfAsync(http, "JOSÉ"));
            Assert.Equal("strasse@example.com", await EmailOfAsync(http, "STRASSE"));
            Assert.Equal("strasse@example.com", await EmailOfAsync(http, "straße"));
            Assert.Equal("strasse2@example.com", await EmailOfAsync(http, "strasse"));
            Assert.Equal("hidden@example.com", await EmailOfAsync(http, "hidden\u3164"));
        }
    }

    [Fact]
    public async Task An_account_that_shares_a_name_with_an_older_one_can_change_its_email_and_its_name()
    {
        await RegisterOldAsync("Ärger.ς", "ärger.ς", "older@example.com", days: 3);
        await RegisterOldAsync("ÄRGER.Σ", "ärger.σ", "newer@example.com", days: 2);
        await platform.StopAsync("users");
        platform.Restart("users");
        using var http = platform.Http("users");
        var newer = await http.SignInAsync("ÄRGER.Σ");

        var moved = await http.SendAsync("PATCH", NewUsers.Me, new { username = "ÄRGER.Σ", email = "moved@example.com" },
            newer.AccessToken).JsonAsync();
        Assert.Equal(("ÄRGER.Σ", "moved@example.com"), (moved.Text("username"), moved.Text("email")));
        Assert.Equal("moved@example.com", await EmailOfAsync(http, "ÄRGER.Σ"));
        Assert.Equal(HttpStatusCode.Conflict, await http.SendAsync("PATCH", NewUsers.Me, new { username = "ärger.σ" }, newer.AccessToken)
            .StatusAsync());
        await http.SendAsync("PATCH", NewUsers.Me, new { username = "peace" }, newer.AccessToken).JsonAsync();
        Assert.Equal("moved@example.com", await EmailOfAsync(http, "PEACE"));
        Assert.Equal("older@example.com", await EmailOfAsync(http, "ÄRGER.Σ"));
    }

    [Fact]
    [Trait("Covers", "N-09")]
    public async Task Two_spellings_of_one_name_cannot_both_be_registered()
    {
        using var http = platform.Http("users");
        foreach (var (first, second) in new[] { ("νίκος", "ΝΊΚΟΣ"), ("Rene\u0301", "RENÉ"), ("Weiß", "WEISS") })
        {
            var email = $"{Guid.NewGuid():N}@example.com";
            await http.SendAsync("POST", NewUsers.Collection, new { username = first, password = TestPlatform.Password, email })
                .JsonAsync(HttpStatusCode.Created);
            var problem = await http.SendAsync("POST", NewUsers.Collection,
                new { username = second, password = TestPlatform.Password, email = "x" + email }).ProblemAsync();
            Assert.Equal((HttpStatusCode.Conflict, "username"), (problem.Status, Assert.Single(problem.Fields)));
            Assert.Equal(email, await EmailOfAsync(http, second));
        }
    }

    [Fact]
    public async Task A_password_matches_in_any_Unicode_composition_and_a_hash_of_the_password_as_typed_stays_valid()
    {
        using var http = platform.Http("users");
        var me = await platform.NewUserAsync();
        var change = new { currentPassword = TestPlatform.Password, newPassword = "crème brûlée", confirmNewPassword = "crème brûlée" };
        await http.SendAsync("PUT", NewUsers.Me + "/password", change, me.AccessToken).JsonAsync();
        await http.SignInAsync(me.Username, "cre\u0300me bru\u0302le\u0301e");

        // The previous version hashed a password as typed.
        const string Typed = "ｆｕｌｌｗｉｄｔｈ";
        var hash = new Microsoft.AspNetCore.Identity.PasswordHasher<object>().HashPassword(this, Typed);
        await ExecuteAsync("UPDATE users SET password_hash = $1 WHERE id = $2", hash, me.Id);
        await http.SignInAsync(me.Username, Typed);
        await http.SignInAsync(me.Username, "fullwidth");
    }

    private static async Task<string> EmailOfAsync(HttpClient http, string username) =>
        (await http.SendAsync("GET", NewUsers.Me, token: (await http.SignInAsync(username)).AccessToken).JsonAsync()).Text("email");

    /// <summary>Stores an account as the previous version did, with the usual password.</summary>
    private Task RegisterOldAsync(string username, string usernameKey, string email, int days) => ExecuteAsync(
        """
        INSERT INTO users (id, username, username_key, email, email_key, role, created_at, password_hash)
        VALUES ($1, $2, $3, $4, $5, 'user', $6, (SELECT password_hash FROM users WHERE username = 'alice'))
        """,
        Guid.NewGuid(), username, usernameKey, email, email.ToLowerInvariant(), DateTime.UtcNow.AddDays(-days));

    private async Task ExecuteAsync(string sql, params object[] parameters)
    {
        await using var db = await platform.Db("usersdb");
        await using var command = new NpgsqlCommand(sql, db);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        Assert.Equal(1, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
    }
}
