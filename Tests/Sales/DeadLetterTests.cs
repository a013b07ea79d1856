using System.Net;
using System.Text.Json;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Flow;
using Npgsql;

namespace MicroPlatform.Tests.Sales;

/// <summary>Events that cannot be handled: staff see them and send them again.</summary>
[Trait("Speed", "slow")]
public sealed class DeadLetterTests : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private const string Letters = "/api/v1/sales/dead-letters";

    private readonly TestPlatform platform;
    private HttpClient sales = null!;
    private string staff = null!;

    public DeadLetterTests(TestPlatform platform)
    {
        this.platform = platform;
        // An event that fails becomes a dead letter without deferred retries.
        platform.Settings["Messaging:Deferrals"] = "0";
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting", "cart" })
        {
            platform.Http(service).Dispose();
        }

        sales = platform.Http("sales");
        staff = await platform.UserTokenAsync("clerk");
    }

    public ValueTask DisposeAsync()
    {
        sales.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_failed_event_is_shown_with_its_reason_and_handled_when_retried_after_the_cause_is_fixed()
    {
        using var measured = new Measured(platform, "accounting");
        await ExecuteAsync(
            "accountingdb", "ALTER TABLE transactions ADD CONSTRAINT \"the books\nare closed\" CHECK (order_id < 3) NOT VALID");
        var order = (await sales.SendAsync(
            "POST", "/api/v1/sales/orders", new { customerId = 1, items = new[] { new { itemId = 1, quantity = 1 } } },
            staff).JsonAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var letter = await LetterOfAsync(order);
        Assert.Equal(
            ["at", "event", "id", "orderId", "queue", "reason", "traceId"],
            letter.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
        Assert.Equal(
            ("sales.order-confirmed.v1", "accounting"), (letter.GetProperty("event").GetString(), letter.GetProperty("queue").GetString()));
        Assert.EndsWith(
            "violates check constraint \"the books are closed\"", letter.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(platform.Clock.GetUtcNow(), letter.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromSeconds(1));
        Assert.Equal(3, measured.Sum("microplatform.messaging.failures", "accounting"));
        Assert.Equal(1, measured.Sum("microplatform.messaging.dead_letters", "accounting"));
        Assert.Contains(
            await Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken),
            violation => violation.Contains("no live transaction", StringComparison.Ordinal));

        // The cause is still there, so the event comes back under another id.
        Assert.Equal(HttpStatusCode.Accepted, await RetryAsync(letter));
        await Eventually.TrueAsync(
            async () => (await LetterOfAsync(order)).GetProperty("id").GetInt64() > letter.GetProperty("id").GetInt64(),
            "the event is dead-lettered again");
        letter = await LetterOfAsync(order);

        await ExecuteAsync("accountingdb", "ALTER TABLE transactions DROP CONSTRAINT \"the books\nare closed\"");
        Assert.Equal(HttpStatusCode.Accepted, await RetryAsync(letter));
        Assert.Equal(HttpStatusCode.Accepted, await RetryAsync(letter));
        await Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken), "the sum is posted");
        Assert.Equal(1, await platform.QueryAsync<long>("accountingdb", "SELECT count(*) FROM transactions WHERE order_id = $1", order));
        Assert.DoesNotContain(
            await LettersAsync(),
            other => other.GetProperty("orderId").ValueKind is JsonValueKind.Number && other.GetProperty("orderId").GetInt64() == order);
    }

    [Fact]
    public async Task Unknown_events_become_dead_letters_and_are_listed_in_pages_without_their_content()
    {
        for (var i = 0; i < 3; i++)
        {
            await ExecuteAsync("busdb", $$"""
                INSERT INTO messages (recipient, priority, expiration, visible, headers, body)
                VALUES ('cart', 0, now() + '1 day', now(),
                    '{"rbs2-msg-id":"unreadable-{{i}}","rbs2-msg-type":"nobody.knows.v1",
                    "rbs2-content-type":"application/json;charset=utf-8"}',
                    'the secret')
                """);
        }

        await Eventually.TrueAsync(
            async () => (await LettersAsync()).Count(letter => letter.GetProperty("event").GetString() is "nobody.knows.v1") == 3,
            "the events are dead-lettered");
        Assert.All((await LettersAsync()).Where(letter => letter.GetProperty("event").GetString() is "nobody.knows.v1"), letter =>
            Assert.EndsWith(
                "This version of the platform knows no event nobody.knows.v1.", letter.GetProperty("reason").GetString(),
                StringComparison.Ordinal));
        var letters = (await LettersAsync()).Select(letter => letter.GetRawText()).ToList();
        Assert.DoesNotContain(letters, letter => letter.Contains("secret", StringComparison.Ordinal));
        var paged = new List<string>();
        string? cursor = null;
        do
        {
            var page = await sales.SendAsync("GET", $"{Letters}?limit=1&cursor={cursor}", token: staff).JsonAsync();
            paged.Add(Assert.Single(page.GetProperty("items").EnumerateArray()).GetRawText());
            cursor = page.GetProperty("nextCursor").GetString();
        }
        while (cursor is not null);
        Assert.Equal(letters, paged);
        Assert.Equal(["cursor"], (await sales.SendAsync("GET", $"{Letters}?cursor=nonsense", token: staff).ProblemAsync()).Fields);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("987654321")]
    [InlineData("9223372036854775807")]
    public async Task An_unknown_dead_letter_is_not_found(string id) =>
        Assert.Equal(HttpStatusCode.NotFound, (await sales.SendAsync("POST", $"{Letters}/{id}/retry", token: staff).ProblemAsync()).Status);

    private Task<HttpStatusCode> RetryAsync(JsonElement letter) =>
        sales.SendAsync("POST", $"{Letters}/{letter.GetProperty("id")}/retry", token: staff).StatusAsync();

    private async Task<List<JsonElement>> LettersAsync() =>
        [.. (await sales.SendAsync("GET", Letters, token: staff).JsonAsync()).GetProperty("items").EnumerateArray()];

    private async Task<JsonElement> LetterOfAsync(long order)
    {
        JsonElement letter = default;
        await Eventually.TrueAsync(
            async () =>
            {
                letter = (await LettersAsync())
                    .Find(l => l.GetProperty("orderId").ValueKind is JsonValueKind.Number && l.GetProperty("orderId").GetInt64() == order);
                return letter.ValueKind is not JsonValueKind.Undefined;
            },
            "the event is dead-lettered");
        return letter;
    }

    private async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = await platform.Db(database);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
