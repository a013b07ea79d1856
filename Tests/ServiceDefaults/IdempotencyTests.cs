using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.ServiceDefaults;

public sealed class IdempotencyTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Path = "/api/v1/customers";
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task The_first_answer_is_replayed_word_for_word()
    {
        var body = new { email = "once@example.com", password = "longEnough1" };
        using var first = await http.SendAsync("POST", Path, body, headers: ("Idempotency-Key", "replay"));
        using var second = await http.SendAsync("POST", Path, body, headers: ("Idempotency-Key", "replay"));
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.Equal(first.Headers.Location, second.Headers.Location);
        Assert.Equal(first.Headers.ETag, second.Headers.ETag);
        Assert.Equal(await first.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), await second.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_key_used_for_another_request_is_refused_and_changes_nothing()
    {
        await http.SendAsync("POST", Path, new { email = "key-a@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", "reused")).JsonAsync(HttpStatusCode.Created);
        var problem = await http.SendAsync("POST", Path, new { email = "key-b@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", "reused")).ProblemAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, problem.Status);
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE email = 'key-b@example.com'"));
    }

    [Fact]
    public async Task Twenty_equal_requests_at_once_do_the_work_once()
    {
        var body = new { email = "twenty@example.com", password = "longEnough1" };
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => http.SendAsync("POST", Path, body, headers: ("Idempotency-Key", "twenty")).JsonAsync(HttpStatusCode.Created)));
        Assert.Single(answers.Select(answer => answer.GetProperty("id").GetInt64()).Distinct());
    }

    [Fact]
    public async Task A_failed_request_leaves_its_key_free()
    {
        await http.SendAsync("POST", Path, new { email = "no", password = "longEnough1" }, headers: ("Idempotency-Key", "free")).ProblemAsync();
        await http.SendAsync("POST", Path, new { email = "free@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", "free")).JsonAsync(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_key_is_forgotten_after_a_day()
    {
        await http.SendAsync("POST", Path, new { email = "day-1@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", "day")).JsonAsync(HttpStatusCode.Created);
        platform.Clock.Advance(TimeSpan.FromHours(25));
        await http.SendAsync("POST", Path, new { email = "day-2@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", "day")).JsonAsync(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_key_longer_than_255_characters_is_refused()
    {
        var problem = await http.SendAsync("POST", Path, new { email = "bad-key@example.com", password = "longEnough1" }, headers: ("Idempotency-Key", new string('k', 256))).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["Idempotency-Key"], problem.Fields);
    }
}
