using System.Net;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.Tests.Users;

/// <summary>A key that was not announced, as after signing keys are deleted by hand (docs/operations.md).</summary>
[Trait("Speed", "slow")]
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

    [Fact]
    public async Task Only_requests_with_an_unknown_key_wait_for_a_fetch_and_none_of_them_misses_it()
    {
        var keys = (BaseConfigurationManager)platform.Services("todo").GetRequiredService<IOptionsMonitor<JwtBearerOptions>>()
            .Get(Issuers.Users).ConfigurationManager!;
        var known = await keys.GetBaseConfigurationAsync(TestContext.Current.CancellationToken);
        platform.Clock.Advance(TimeSpan.FromSeconds(61));
        var (marked, asked, answer) = (new TaskCompletionSource(), new TaskCompletionSource(), new TaskCompletionSource());
        platform.OnCall = async (request, send) =>
        {
            if (request.RequestUri!.AbsolutePath is "/.well-known/jwks.json")
            {
                asked.TrySetResult();
                await answer.Task;
            }

            return await send();
        };

        var first = UnknownAsync(before: asked.Task);
        await marked.Task;
        var second = UnknownAsync(before: Task.CompletedTask);
        await asked.Task;
        Assert.Same(known, await keys.GetBaseConfigurationAsync(TestContext.Current.CancellationToken));
        answer.SetResult();

        Assert.All(await Task.WhenAll(first, second), renewed => Assert.NotSame(known, renewed));

        // As a request does whose token has an unknown key: it says so, and asks for the keys again.
        async Task<BaseConfiguration> UnknownAsync(Task before)
        {
            keys.RequestRefresh();
            marked.TrySetResult();
            await before;
            return await keys.GetBaseConfigurationAsync(TestContext.Current.CancellationToken);
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
