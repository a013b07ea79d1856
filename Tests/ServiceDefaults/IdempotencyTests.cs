using System.Net;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.ServiceDefaults;

[Trait("Speed", "slow")]
public sealed class IdempotencyTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Path = "/api/v1/todos";
    private readonly HttpClient http = platform.Http("todo");

    [Fact]
    public async Task The_first_answer_is_replayed_word_for_word()
    {
        var body = new { title = "once" };
        using var first = await http.SendAsync("POST", Path, body, await Alice, ("Idempotency-Key", "replay"));
        using var second = await http.SendAsync("POST", Path, body, await Alice, ("Idempotency-Key", "replay"));
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.Equal(first.Headers.Location, second.Headers.Location);
        Assert.Equal(first.Headers.ETag, second.Headers.ETag);
        Assert.Equal(
            await first.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            await second.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_key_used_for_another_request_is_refused_and_changes_nothing()
    {
        await http.SendAsync("POST", Path, new { title = "key-a" }, await Alice, ("Idempotency-Key", "reused"))
            .JsonAsync(HttpStatusCode.Created);
        var problem = await http.SendAsync("POST", Path, new { title = "key-b" }, await Alice, ("Idempotency-Key", "reused"))
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, problem.Status);
        Assert.Equal(0, await platform.QueryAsync<long>("tododb", "SELECT count(*) FROM todos WHERE title = 'key-b'"));
    }

    [Fact]
    public async Task Twenty_concurrent_equal_requests_do_the_work_once()
    {
        var body = new { title = "twenty" };
        var alice = await Alice;
        var answers = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => http.SendAsync("POST", Path, body, alice, ("Idempotency-Key", "twenty")).JsonAsync(HttpStatusCode.Created)));
        Assert.Single(answers.Select(answer => answer.GetProperty("id").GetInt64()).Distinct());
    }

    [Fact]
    public async Task A_failed_request_leaves_its_key_free()
    {
        await http.SendAsync("POST", Path, new { title = "" }, await Alice, ("Idempotency-Key", "free")).ProblemAsync();
        await http.SendAsync("POST", Path, new { title = "free" }, await Alice, ("Idempotency-Key", "free"))
            .JsonAsync(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_key_expires_after_a_day()
    {
        await http.SendAsync("POST", Path, new { title = "day-1" }, await Alice, ("Idempotency-Key", "day"))
            .JsonAsync(HttpStatusCode.Created);
        platform.Clock.Advance(TimeSpan.FromHours(25));
        await http.SendAsync("POST", Path, new { title = "day-2" }, await NewTokenAsync("alice"), ("Idempotency-Key", "day"))
            .JsonAsync(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_key_longer_than_255_characters_is_refused()
    {
        var problem = await http.SendAsync("POST", Path, new { title = "bad-key" }, await Alice,
            ("Idempotency-Key", new string('k', 256))).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["Idempotency-Key"], problem.Fields);
    }

    [Fact]
    public async Task Two_callers_may_use_the_same_key()
    {
        var mine = await http.SendAsync("POST", Path, new { title = "mine" }, await Alice, ("Idempotency-Key", "shared"))
            .JsonAsync(HttpStatusCode.Created);
        var theirs = await http.SendAsync("POST", Path, new { title = "theirs" }, await NewTokenAsync("bob"),
            ("Idempotency-Key", "shared")).JsonAsync(HttpStatusCode.Created);
        Assert.NotEqual(mine.GetProperty("id").GetInt64(), theirs.GetProperty("id").GetInt64());
    }

    /// <summary>Anonymous callers would share keys, and a key would keep a hash of a body with a password.</summary>
    [Theory]
    [InlineData("customers")]
    [InlineData("cart")]
    [InlineData("users")]
    [InlineData("todo")]
    [InlineData("warehouse")]
    [InlineData("accounting")]
    [InlineData("sales")]
    public void Endpoints_that_are_open_or_take_a_password_do_not_support_keys(string service)
    {
        var endpoints = platform.Services(service).GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).ToList();
        var idempotent = endpoints.Where(endpoint => endpoint.Metadata.Any(item => item.GetType().Name is "IdempotentAttribute")).ToList();
        Assert.Equal(service is not ("customers" or "users"), idempotent.Count > 0);
        Assert.All(idempotent, endpoint =>
        {
            Assert.Null(endpoint.Metadata.GetMetadata<IAllowAnonymous>());
            Assert.DoesNotContain(
                endpoint.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType?.GetProperties() ?? [],
                property => property.Name.Contains("Password", StringComparison.OrdinalIgnoreCase));
        });
    }

    // A new token, because other tests have moved the clock.
    private Task<string> Alice => NewTokenAsync("alice");

    private async Task<string> NewTokenAsync(string username)
    {
        using var users = platform.Http("users");
        return (await users.SendAsync("POST", "/api/v1/users/login", new { username, password = TestPlatform.Password }).JsonAsync())
            .GetProperty("accessToken").GetString()!;
    }
}
