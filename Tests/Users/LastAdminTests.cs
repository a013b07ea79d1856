using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Users;

/// <summary>There is always an admin who can grant roles.</summary>
[Trait("Speed", "slow")]
public sealed class LastAdminTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("users");

    [Fact]
    public async Task When_all_admins_step_down_or_leave_concurrently_one_remains()
    {
        var first = await http.SignInAsync("admin");
        for (var round = 0; round < 5; round++)
        {
            var admins = new List<(string Id, string Token)>();
            for (var i = 0; i < 4; i++)
            {
                var user = await platform.NewUserAsync();
                await http.SendAsync("PATCH", $"{NewUsers.Collection}/{user.Id}", new { role = "admin" }, first.AccessToken).JsonAsync();
                admins.Add((user.Id.ToString(), (await http.SignInAsync(user.Username)).AccessToken));
            }

            admins.Add(((await http.SendAsync("GET", NewUsers.Me, token: first.AccessToken).JsonAsync()).Text("id"), first.AccessToken));

            var statuses = await Task.WhenAll(admins.Select((admin, i) => i % 2 == 0
                ? http.SendAsync("PATCH", $"{NewUsers.Collection}/{admin.Id}", new { role = "user" }, admin.Token).StatusAsync()
                : http.SendAsync("DELETE", NewUsers.Me, token: admin.Token).StatusAsync()));

            Assert.Equal(4, statuses.Count(status => status is HttpStatusCode.OK or HttpStatusCode.NoContent));
            Assert.Single(statuses, HttpStatusCode.Conflict);
            Assert.Equal(1, await platform.QueryAsync<long>("usersdb", "SELECT count(*) FROM users WHERE role = 'admin'"));
            first = await http.SignInAsync((await platform.QueryAsync<string>(
                "usersdb", "SELECT username FROM users WHERE role = 'admin'"))!);
        }
    }
}
