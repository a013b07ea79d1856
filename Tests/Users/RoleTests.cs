using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using Microsoft.IdentityModel.JsonWebTokens;

namespace MicroPlatform.Tests.Users;

/// <summary>Admins see users and grant roles.</summary>
public sealed class RoleTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("users");

    [Theory]
    [InlineData("alice")]
    [InlineData("clerk")]
    [Trait("Covers", "N-04")]
    public async Task Only_an_admin_lists_users_or_grants_roles(string name)
    {
        var me = await http.SignInAsync(name);
        Assert.Equal(HttpStatusCode.Forbidden, await http.SendAsync("GET", NewUsers.Collection, token: me.AccessToken).StatusAsync());
        var id = (await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken).JsonAsync()).Text("id");
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await http.SendAsync("PATCH", $"{NewUsers.Collection}/{id}", new { role = "admin" }, me.AccessToken).StatusAsync());
    }

    [Theory]
    [InlineData("under_score", "R_s")]
    [InlineData("dotted.name", "D.N")]
    [Trait("Covers", "N-12")]
    public async Task A_search_is_literal_and_case_insensitive(string prefix, string search)
    {
        var user = await platform.NewUserAsync(prefix);
        var decoy = await platform.NewUserAsync(prefix.Replace('_', 'x').Replace('.', 'x'));
        var found = (await ListAsync("?limit=200&search=" + search)).Select(u => u.Text("username")).ToList();
        Assert.Contains(user.Username, found, StringComparer.Ordinal);
        Assert.DoesNotContain(decoy.Username, found, StringComparer.Ordinal);
        Assert.Empty(await ListAsync("?search=%25"));
        Assert.Equal(
            [user.Username],
            (await ListAsync("?search=" + Uri.EscapeDataString(user.Email.ToUpperInvariant()))).Select(u => u.Text("username")),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task Pages_follow_one_another_without_gap_or_repetition()
    {
        var prefix = NewUsers.NewName("page")[..20];
        var made = new List<Guid>();
        for (var i = 0; i < 7; i++)
        {
            made.Add((await platform.NewUserAsync(prefix)).Id);
        }

        var (seen, cursor) = (new List<Guid>(), "");
        do
        {
            var page = await http.SendAsync(
                "GET", $"{NewUsers.Collection}?limit=3&search={prefix}&cursor={cursor}",
                token: await platform.UserTokenAsync("admin")).JsonAsync();
            Assert.InRange(page.GetProperty("items").GetArrayLength(), 1, 3);
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(u => u.GetProperty("id").GetGuid()));
            cursor = page.GetProperty("nextCursor").GetString();
        }
        while (cursor is not null);

        Assert.Equal(7, seen.Count);
        Assert.Equal(made.ToHashSet(), seen.ToHashSet());
        Assert.Equal(
            ["cursor"],
            (await http.SendAsync(
                "GET", NewUsers.Collection + "?cursor=7", token: await platform.UserTokenAsync("admin")).ProblemAsync()).Fields);
        Assert.Equal(
            ["limit"],
            (await http.SendAsync(
                "GET", NewUsers.Collection + "?limit=201", token: await platform.UserTokenAsync("admin")).ProblemAsync()).Fields);
    }

    [Fact]
    [Trait("Covers", "N-07")]
    public async Task A_role_change_ends_every_session_and_appears_in_the_next_token()
    {
        var me = await platform.NewUserAsync();
        var granted = await http.SendAsync(
            "PATCH", $"{NewUsers.Collection}/{me.Id}", new { role = "staff" }, await platform.UserTokenAsync("admin")).JsonAsync();
        Assert.Equal("staff", granted.Text("role"));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", NewUsers.Me, token: me.AccessToken).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", NewUsers.Collection + "/refresh", new { refreshToken = me.RefreshToken }).StatusAsync());
        var again = await http.SignInAsync(me.Username);
        Assert.Equal("staff", new JsonWebToken(again.AccessToken).GetClaim("role").Value);

        // Granting the same role again changes nothing and ends no session.
        await http.SendAsync("PATCH", $"{NewUsers.Collection}/{me.Id}", new { role = "staff" }, await platform.UserTokenAsync("admin"))
            .JsonAsync();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", NewUsers.Me, token: again.AccessToken).StatusAsync());
    }

    [Fact]
    [Trait("Covers", "N-07")]
    public async Task A_demoted_admin_loses_admin_rights_at_once()
    {
        var me = await platform.NewUserAsync();
        await GrantAsync(me.Id, "admin", HttpStatusCode.OK);
        var asAdmin = await http.SignInAsync(me.Username);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", NewUsers.Collection, token: asAdmin.AccessToken).StatusAsync());
        await GrantAsync(me.Id, "user", HttpStatusCode.OK);
        Assert.Equal(
            HttpStatusCode.Unauthorized, await http.SendAsync("GET", NewUsers.Collection, token: asAdmin.AccessToken).StatusAsync());
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await http.SendAsync("GET", NewUsers.Collection, token: (await http.SignInAsync(me.Username)).AccessToken).StatusAsync());
    }

    [Theory]
    [InlineData("""{"role":"king"}""", "role")]
    [InlineData("""{"role":"Admin"}""", "role")]
    [InlineData("""{"role":1}""", "role")]
    [InlineData("""{"role":null}""", "role")]
    [InlineData("{}", "role")]
    [InlineData("""{"role":"user","username":"other"}""", "username")]
    [Trait("Covers", "N-10")]
    public async Task An_invalid_role_change_is_refused_with_the_field_named(string body, string field)
    {
        var me = await platform.NewUserAsync();
        var problem = await http.SendAsync("PATCH", $"{NewUsers.Collection}/{me.Id}", body, await platform.UserTokenAsync("admin"))
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
    }

    private async Task<List<JsonElement>> ListAsync(string query) =>
        [
            .. (await http.SendAsync("GET", NewUsers.Collection + query, token: await platform.UserTokenAsync("admin")).JsonAsync())
            .GetProperty("items").EnumerateArray(),
        ];

    private async Task GrantAsync(Guid id, string role, HttpStatusCode expected) =>
        await http.SendAsync("PATCH", $"{NewUsers.Collection}/{id}", new { role }, await platform.UserTokenAsync("admin"))
            .JsonAsync(expected);
}
