using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Users;

/// <summary>A key that was not announced, as after signing keys are deleted by hand (docs/operations.md).</summary>
public sealed class KeyWithdrawalTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task Other_services_fetch_an_unannounced_key_when_its_first_token_arrives()
    {
        using var todo = platform.Http("todo");
        Assert.Equal(HttpStatusCode.OK, await todo.SendAsync("GET", "/api/v1/todos", token: await LoginAsync()).StatusAsync());

        for (var i = 0; i < 2; i++)
        {
            await using (var db = await platform.Db("usersdb"))
            {
                await using var command = new Npgsql.NpgsqlCommand("DELETE FROM signing_keys", db);
                Assert.InRange(await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken), 1, 10);
            }

            platform.Clock.Advance(TimeSpan.FromSeconds(61));
            // Of several requests at once, the first fetches the key and the others wait for it.
            var token = await LoginAsync();
            Assert.All(
                await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => todo.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync())),
                status => Assert.Equal(HttpStatusCode.OK, status));
        }
    }

    private async Task<string> LoginAsync()
    {
        using var users = platform.Http("users");
        return (await users.SendAsync(
            "POST", "/api/v1/users/login",
            new { username = "alice", password = TestPlatform.Password }).JsonAsync()).GetProperty("accessToken").GetString()!;
    }
}
