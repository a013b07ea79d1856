using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Accounting;

public sealed class TransactionTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Transactions = "/api/v1/accounting/transactions";
    private readonly HttpClient http = platform.Http("accounting");

    [Fact]
    [Trait("Covers", "C-AC-01")]
    [Trait("Covers", "C-AC-06")]
    [Trait("Covers", "N-25")]
    public async Task The_list_begins_with_the_transactions_of_the_demo_orders()
    {
        var page = await SendAsync("GET", Transactions + "?limit=2").JsonAsync();
        Assert.Equal(
            """
            [{"id":1,"orderId":1,"sum":150.00,"date":"2026-01-05T10:00:01.000000Z","voidedAt":null,"source":"order:1"},
            {"id":2,"orderId":2,"sum":120.00,"date":"2026-01-06T11:30:01.000000Z","voidedAt":null,"source":"order:2"}]
            """.ReplaceLineEndings(""),
            page.GetProperty("items").GetRawText());
    }

    [Fact]
    [Trait("Covers", "C-AC-02")]
    [Trait("Covers", "C-AC-08")]
    public async Task A_transaction_is_returned_in_full_with_its_ETag()
    {
        using var response = await SendAsync("GET", Transactions + "/2");
        Assert.NotNull(response.Headers.ETag);
        Assert.Equal(
            """{"id":2,"orderId":2,"sum":120.00,"date":"2026-01-06T11:30:01.000000Z","voidedAt":null,"source":"order:2"}""",
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Several_If_Match_headers_are_treated_as_one_list()
    {
        using var made = await SendAsync("POST", Transactions, new { orderId = 4711, sum = 1.5m });
        var (address, tag) = ($"{made.Headers.Location}", $"{made.Headers.ETag}");
        var token = await platform.UserTokenAsync("clerk");
        foreach (var (second, expected) in new[] { ("\"1\"", HttpStatusCode.PreconditionFailed), (tag, HttpStatusCode.OK) })
        {
            using var response = await http.SendAsync(
                "PUT", address, new { orderId = 4712 }, token, ("If-Match", "\"0\""), ("If-Match", second));
            Assert.Equal((second, expected), (second, response.StatusCode));
        }
    }

    [Fact]
    [Trait("Covers", "C-AC-03")]
    [Trait("Covers", "C-AC-07")]
    public async Task A_new_transaction_is_dated_now_and_an_order_may_have_several_transactions()
    {
        using var response = await SendAsync("POST", Transactions, """{"orderId":1,"sum":17.0}""");
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var made = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal($"{Transactions}/{made.GetProperty("id").GetInt64()}", response.Headers.Location?.OriginalString);
        Assert.Equal((1, "17.00"), (made.GetProperty("orderId").GetInt32(), made.GetProperty("sum").GetRawText()));
        Assert.Equal(platform.Clock.GetUtcNow(), made.GetProperty("date").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));

        Assert.Equal(made.GetRawText(), (await SendAsync("GET", response.Headers.Location!.OriginalString).JsonAsync()).GetRawText());
        var ofOrder = await SendAsync("GET", Transactions + "?orderId=1").JsonAsync();
        Assert.Contains(
            made.GetRawText(), ofOrder.GetProperty("items").EnumerateArray().Select(t => t.GetRawText()), StringComparer.Ordinal);
        Assert.All(ofOrder.GetProperty("items").EnumerateArray(), t => Assert.Equal(1, t.GetProperty("orderId").GetInt32()));
    }

    [Fact]
    public async Task A_date_with_an_offset_is_stored_in_UTC()
    {
        var id = await CreateAsync(5, "1.00", "2025-12-31T23:30:00-02:00");
        Assert.Equal(
            "2026-01-01T01:30:00.000000Z", (await SendAsync("GET", $"{Transactions}/{id}").JsonAsync()).GetProperty("date").GetString());
    }

    [Fact]
    [Trait("Covers", "C-AC-04")]
    [Trait("Covers", "C-AC-10")]
    public async Task Moving_a_transaction_to_another_order_changes_only_its_order_id()
    {
        var id = await CreateAsync(5, "17.00");
        var before = await SendAsync("GET", $"{Transactions}/{id}").JsonAsync();
        var changed = await SendAsync("PUT", $"{Transactions}/{id}", new { orderId = 321 }).JsonAsync();
        Assert.Equal(before.GetRawText().Replace("\"orderId\":5", "\"orderId\":321", StringComparison.Ordinal), changed.GetRawText());
        Assert.Equal(changed.GetRawText(), (await SendAsync("GET", $"{Transactions}/{id}").JsonAsync()).GetRawText());
    }

    [Fact]
    [Trait("Covers", "C-AC-05")]
    [Trait("Covers", "C-AC-11")]
    public async Task A_voided_transaction_stays_readable_and_is_excluded_from_the_total()
    {
        var id = await CreateAsync(77, "17.00");
        Assert.Equal("17.00", await TotalAsync());
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync("DELETE", $"{Transactions}/{id}").StatusAsync());
        Assert.Equal("0.00", await TotalAsync());
        var voided = await SendAsync("GET", $"{Transactions}/{id}").JsonAsync();
        Assert.Equal(platform.Clock.GetUtcNow(), voided.GetProperty("voidedAt").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));

        // A second deletion changes nothing, and a voided transaction cannot move to another order.
        platform.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync("DELETE", $"{Transactions}/{id}").StatusAsync());
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync("PUT", $"{Transactions}/{id}", new { orderId = 5 }).ProblemAsync()).Status);
        Assert.Equal(voided.GetRawText(), (await SendAsync("GET", $"{Transactions}/{id}").JsonAsync()).GetRawText());

        async Task<string> TotalAsync() =>
            (await SendAsync("GET", "/api/v1/accounting/summary?orderId=77").JsonAsync()).GetProperty("total").GetRawText();
    }

    [Theory]
    [InlineData("PUT", """{"orderId":321}""")]
    [InlineData("DELETE", null)]
    public async Task A_transaction_posted_by_an_order_cannot_be_changed_and_the_error_says_how_to_void_it(
        string method, string? body)
    {
        var before = await SendAsync("GET", Transactions + "/2").JsonAsync();
        var refused = await SendAsync(method, Transactions + "/2", body).ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Contains("DELETE /api/v1/sales/orders/2", refused.Detail, StringComparison.Ordinal);
        Assert.Equal(before.GetRawText(), (await SendAsync("GET", Transactions + "/2").JsonAsync()).GetRawText());
    }

    [Theory]
    [InlineData("""{"sum":1}""", "orderId")]
    [InlineData("""{"orderId":0,"sum":1}""", "orderId")]
    [InlineData("""{"orderId":-1,"sum":1}""", "orderId")]
    [InlineData("""{"orderId":"1","sum":1}""", "orderId")]
    [InlineData("""{"orderId":9223372036854775808,"sum":1}""", "orderId")]
    [InlineData("""{"orderId":1}""", "sum")]
    [InlineData("""{"orderId":1,"sum":0}""", "sum")]
    [InlineData("""{"orderId":1,"sum":-17}""", "sum")]
    [InlineData("""{"orderId":1,"sum":0.001}""", "sum")]
    [InlineData("""{"orderId":1,"sum":10000000000}""", "sum")]
    [InlineData("""{"orderId":1,"sum":1e29}""", "sum")]
    [InlineData("""{"orderId":1,"sum":"17"}""", "sum")]
    [InlineData("""{"orderId":1,"sum":1,"date":"yesterday"}""", "date")]
    [InlineData("""{"orderId":1,"sum":1,"date":"2026-01-01T00:00:00"}""", "date")]
    [InlineData("""{"orderId":1,"sum":1,"date":"1899-12-31T23:59:59Z"}""", "date")]
    [InlineData("""{"orderId":1,"sum":1,"date":"2200-01-01T00:00:00Z"}""", "date")]
    [InlineData("""{"orderId":1,"sum":1,"source":"order:1"}""", "source")]
    [InlineData("""{"orderId":1,"sum":1,"voidedAt":null}""", "voidedAt")]
    [Trait("Covers", "N-20")]
    [Trait("Covers", "N-23")]
    public async Task An_invalid_transaction_is_refused_with_the_field_named_and_not_stored(string body, string field)
    {
        var before = await platform.QueryAsync<long>("accountingdb", "SELECT count(*) FROM transactions");
        var problem = await SendAsync("POST", Transactions, body).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(before, await platform.QueryAsync<long>("accountingdb", "SELECT count(*) FROM transactions"));
    }

    [Theory]
    [InlineData("{}", "orderId")]
    [InlineData("""{"orderId":null}""", "orderId")]
    [InlineData("""{"orderId":"x"}""", "orderId")]
    [InlineData("""{"orderId":0}""", "orderId")]
    [InlineData("""{"orderId":1,"sum":5}""", "sum")]
    public async Task An_invalid_change_is_refused_with_the_field_named_and_changes_nothing(string body, string field)
    {
        var problem = await SendAsync("PUT", Transactions + "/2", body).ProblemAsync();
        Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        Assert.Equal(2, (await SendAsync("GET", Transactions + "/2").JsonAsync()).GetProperty("orderId").GetInt32());
    }

    [Fact]
    public async Task Only_one_of_several_concurrent_changes_with_the_same_tag_succeeds()
    {
        var id = await CreateAsync(5, "1.00");
        using var read = await SendAsync("GET", $"{Transactions}/{id}");
        var tag = read.Headers.ETag!.ToString();
        var clerk = await platform.UserTokenAsync("clerk");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            http.SendAsync("PUT", $"{Transactions}/{id}", new { orderId = 100 + i }, clerk, ("If-Match", tag)).StatusAsync()));
        Assert.Single(outcomes, HttpStatusCode.OK);
        Assert.Equal(7, outcomes.Count(status => status == HttpStatusCode.PreconditionFailed));
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await http.SendAsync("DELETE", $"{Transactions}/{id}", token: clerk, headers: ("If-Match", tag)).StatusAsync());
    }

    [Theory]
    [InlineData("INSERT INTO transactions (order_id, sum, date) VALUES (1, 0, now())", "ck_transactions_sum")]
    [InlineData("INSERT INTO transactions (order_id, sum, date) VALUES (0, 1, now())", "ck_transactions_order_id")]
    [InlineData("INSERT INTO transactions (order_id, sum, date, source) VALUES (1, 1, now(), 'order:1')", "ix_transactions_source")]
    public async Task The_database_refuses_invalid_and_duplicate_transactions(string sql, string constraint)
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(() => platform.QueryAsync<object>("accountingdb", sql));
        Assert.Equal(constraint, failure.ConstraintName);
    }

    private async Task<HttpResponseMessage> SendAsync(string method, string path, object? body = null) =>
        await http.SendAsync(method, path, body, await platform.UserTokenAsync("clerk"));

    private async Task<long> CreateAsync(long orderId, string sum, string? date = null) => (await SendAsync(
        "POST", Transactions,
        $$"""{"orderId":{{orderId}},"sum":{{sum}},"date":{{JsonSerializer.Serialize(date)}}}""").JsonAsync(
            HttpStatusCode.Created)).GetProperty("id").GetInt64();
}
