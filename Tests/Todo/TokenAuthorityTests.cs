using System.Net;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Todo;

/// <summary>How Todo gets on without Users, whose keys it verifies tokens with.</summary>
public sealed class TokenAuthorityTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    [Fact]
    public async Task Keys_once_known_serve_while_Users_is_away_and_unknown_ones_are_never_guessed()
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
        await Eventually.TrueAsync(async () => await http.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync() == HttpStatusCode.OK, "Todo finds the keys when Users is back");
        await platform.StopAsync("users");
        Assert.NotEmpty((await todos.ListAsync(new(), As(token))).Items);
    }
}
