using System.Net;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Todo;

/// <summary>Todo while Users, whose keys it needs to verify tokens, is down.</summary>
[Trait("Speed", "slow")]
public sealed class TokenAuthorityTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task Tokens_get_503_while_Users_is_down_unless_its_keys_are_cached()
    {
        var token = await platform.UserTokenAsync("alice");
        await platform.StopAsync("users");

        using var http = platform.Http("todo");
        var todos = new TodosClient(platform.Grpc("todo"));
        var rest = await http.SendAsync("GET", "/api/v1/todos", token: token).ProblemAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, rest.Status);
        var grpc = await todos.ListAsync(new(), As(token)).RefusalAsync();
        Assert.Equal(StatusCode.Unavailable, grpc.Status);
        Assert.All([rest.Detail, grpc.Detail], detail => Assert.DoesNotContain("users:", detail, StringComparison.Ordinal));
        Assert.Equal(StatusCode.Unauthenticated, (await todos.ListAsync(new(), As("garbage")).RefusalAsync()).Status);

        platform.Restart("users");
        await Eventually.TrueAsync(
            async () => await http.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync() == HttpStatusCode.OK,
            "Todo finds the keys when Users is back");
        await platform.StopAsync("users");
        Assert.NotEmpty((await todos.ListAsync(new(), As(token))).Items);
    }

    /// <summary>A platform of its own, whose Todo has not fetched a key yet.</summary>
    [Trait("Speed", "slow")]
    public sealed class Failure(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        private static readonly Dictionary<string, Func<HttpResponseMessage>> Answers = new(StringComparer.Ordinal)
        {
            ["no endpoint"] = () => throw new InvalidOperationException("Service discovery knows no endpoint."),
            ["a broken stream"] = () => throw new IOException("The connection was reset."),
            ["not JSON"] = () => new(HttpStatusCode.OK) { Content = new StringContent("<html>") },
            ["no keys"] = () => new(HttpStatusCode.OK) { Content = new StringContent("""{"keys":[]}""") },
            ["a malformed key"] = () => new(HttpStatusCode.OK)
            {
                Content = new StringContent("""{"keys":[{"kty":"RSA","use":"sig","kid":"x","n":"!","e":"!"}]}"""),
            },
            ["an error"] = () => new(HttpStatusCode.InternalServerError),
        };

        [Fact]
        public async Task Every_failure_to_fetch_the_keys_gives_503_and_a_later_fetch_succeeds()
        {
            var token = await platform.UserTokenAsync("alice");
            using var http = platform.Http("todo");
            foreach (var (name, answer) in Answers)
            {
                platform.OnCall = (request, send) =>
                    request.RequestUri!.AbsolutePath is "/.well-known/jwks.json" ? Task.FromResult(answer()) : send();
                var status = await http.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync();
                Assert.True(status == HttpStatusCode.ServiceUnavailable, $"{name}: {status}");
            }

            platform.OnCall = null;
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync());
        }
    }
}
