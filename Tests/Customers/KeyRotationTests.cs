using System.Net;
using System.Text;
using System.Text.Json;
using MicroPlatform.Customers.V1;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.WebUtilities;

namespace MicroPlatform.Tests.Customers;

[Trait("Speed", "slow")]
public sealed class KeyRotationTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(30);
    private static readonly TimeSpan Announcement = TimeSpan.FromDays(2);
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task A_new_key_is_published_before_it_signs_and_old_tokens_stay_valid()
    {
        var first = KeyIdOf((await http.LoginAsync(Accounts.Admin)).AccessToken);
        Assert.Equal([first], await PublishedAsync(), StringComparer.Ordinal);

        platform.Clock.Advance(Lifetime - Announcement);
        var announced = await PublishedAsync();
        Assert.Equal(2, announced.Count);
        Assert.Contains(first, announced, StringComparer.Ordinal);
        var second = announced.Except([first], StringComparer.Ordinal).Single();
        Assert.Equal(first, KeyIdOf((await http.LoginAsync(Accounts.Admin)).AccessToken));

        platform.Clock.Advance(Announcement - TimeSpan.FromMinutes(5));
        var lastOfFirst = await http.LoginAsync(Accounts.Admin);
        Assert.Equal(first, KeyIdOf(lastOfFirst.AccessToken));

        platform.Clock.Advance(TimeSpan.FromMinutes(10));
        var firstOfSecond = await http.LoginAsync(Accounts.Admin);
        Assert.Equal(second, KeyIdOf(firstOfSecond.AccessToken));
        var validation = new TokenValidation.TokenValidationClient(platform.Grpc("customers"));
        foreach (var account in new[] { lastOfFirst, firstOfSecond })
        {
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
            Assert.Equal(
                Accounts.Admin,
                (await validation.ValidateAsync(
                    new() { Token = account.AccessToken }, cancellationToken: TestContext.Current.CancellationToken)).Customer.Email);
        }

        platform.Clock.Advance(Announcement + TimeSpan.FromHours(1));
        Assert.Equal([second], await PublishedAsync(), StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_service_that_missed_a_key_rotation_still_has_a_published_signing_key()
    {
        // After a year without a sign-in the first one makes a new key, whatever other tests did before.
        platform.Clock.Advance(TimeSpan.FromDays(365));
        var first = KeyIdOf((await http.LoginAsync(Accounts.Admin)).AccessToken);
        // The next key is made a day late and signs two days later; the old key signs until then.
        platform.Clock.Advance(Lifetime + TimeSpan.FromDays(1));
        Assert.Equal(first, KeyIdOf((await http.LoginAsync(Accounts.Admin)).AccessToken));
        for (var hours = 0; hours < 60; hours += 12)
        {
            platform.Clock.Advance(TimeSpan.FromHours(12));
            var account = await http.LoginAsync(Accounts.Admin);
            Assert.Contains(KeyIdOf(account.AccessToken), await PublishedAsync(), StringComparer.Ordinal);
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/health/ready").StatusAsync());
        }

        // After months no old key is published any more, so a new one signs at once.
        platform.Clock.Advance(TimeSpan.FromDays(365));
        await http.LoginAsync(Accounts.Admin);
    }

    /// <summary>The procedure in docs/operations.md for a key that others may know.</summary>
    [Fact]
    public async Task Deleted_keys_are_replaced_within_a_minute_and_sessions_continue()
    {
        var before = await http.LoginAsync(Accounts.Admin);
        await using (var db = await platform.Db("customersdb"))
        {
            await using var command = new Npgsql.NpgsqlCommand("DELETE FROM signing_keys", db);
            Assert.InRange(await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken), 1, 10);
        }

        platform.Clock.Advance(TimeSpan.FromSeconds(61));

        Assert.NotEqual(KeyIdOf(before.AccessToken), KeyIdOf((await http.LoginAsync(Accounts.Admin)).AccessToken), StringComparer.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", Accounts.Me, token: before.AccessToken).StatusAsync());
        var after = await http.SendAsync("POST", "/api/v1/auth/refresh", new { refreshToken = before.RefreshToken }).JsonAsync();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: after.Text("accessToken")).StatusAsync());
    }

    [Fact]
    public async Task Only_the_public_parts_of_the_keys_are_published()
    {
        var keys = (await http.SendAsync("GET", "/.well-known/jwks.json").JsonAsync()).GetProperty("keys").EnumerateArray().ToList();
        Assert.NotEmpty(keys);
        Assert.All(keys, key =>
        {
            Assert.Equal(
                ["alg", "e", "kid", "kty", "n", "use"], key.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal),
                StringComparer.Ordinal);
            Assert.Equal(("RS256", "RSA", "sig"), (key.Text("alg"), key.Text("kty"), key.Text("use")));
        });
    }

    private static string KeyIdOf(string token) =>
        JsonDocument.Parse(Encoding.UTF8.GetString(WebEncoders.Base64UrlDecode(token.Split('.')[0]))).RootElement.Text("kid");

    private async Task<List<string>> PublishedAsync() =>
        [
            .. (await http.SendAsync("GET", "/.well-known/jwks.json").JsonAsync()).GetProperty("keys").EnumerateArray()
            .Select(key => key.Text("kid")),
        ];
}
