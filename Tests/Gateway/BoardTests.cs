using System.Net;
using System.Text.Json;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The board of the back office in front of the real services.</summary>
[Trait("Speed", "slow")]
public sealed class BoardTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Board = "/api/v1/overview/board";
    private const string Stream = "/api/v1/overview/board/stream";

    [Fact]
    public async Task Staff_see_orders_revenue_low_stock_and_lag_and_then_updates()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var clerk = await platform.UserTokenAsync("clerk");
        var board = await http.SendAsync("GET", Board, token: clerk).JsonAsync();
        Assert.Empty(Unavailable(board));
        Assert.Equal(14, board.GetProperty("days").GetArrayLength());
        Assert.Contains(
            board.GetProperty("lowStock").GetProperty("items").EnumerateArray(),
            item => item.GetProperty("sku").GetString() is "SKU-2" && item.GetProperty("quantity").GetInt64() is 5);
        Assert.True(board.GetProperty("events").TryGetProperty("oldestPendingAt", out _));
        var before = Confirmed(board);

        await using var events = await Events.OpenAsync(http, Stream, clerk);
        var first = await events.NextAsync();
        Assert.Equal(("board", before), (first!.Value.EventType, Confirmed(JsonDocument.Parse(first.Value.Data).RootElement)));
        await http.SendAsync(
            "POST", "/api/v1/sales/orders", new { customerId = 3, items = new[] { new { itemId = 3, quantity = 1 } } },
            clerk).JsonAsync(HttpStatusCode.Created);
        long? now = before;
        while (now is null || now == before)
        {
            // Moving the clock also moves deadlines, so a board without orders may arrive first.
            var next = await events.NextExceptAsync(() => platform.Clock.Advance(TimeSpan.FromSeconds(0.1)), "heartbeat");
            Assert.Equal("board", next!.Value.EventType);
            now = Confirmed(JsonDocument.Parse(next.Value.Data).RootElement);
        }

        Assert.Equal(before + 1, now);
    }

    [Theory]
    [InlineData("sales", new[] { "orders", "days", "events", "deadLetters" })]
    [InlineData("warehouse", new[] { "lowStock" })]
    public async Task A_service_that_is_down_is_named_and_the_rest_of_the_board_is_shown(string service, string[] parts)
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var token = await platform.UserTokenAsync("clerk");
        Assert.Empty(Unavailable(await http.SendAsync("GET", Board, token: token).JsonAsync()));
        await platform.StopAsync(service);
        try
        {
            platform.Clock.Advance(TimeSpan.FromSeconds(2));
            var board = await http.SendAsync("GET", Board, token: token).JsonAsync();
            Assert.Equal([service], Unavailable(board));
            foreach (var name in new[] { "orders", "days", "events", "deadLetters", "lowStock" })
            {
                Assert.Equal(parts.Contains(name, StringComparer.Ordinal), board.GetProperty(name).ValueKind is JsonValueKind.Null);
            }
        }
        finally
        {
            platform.Restart(service);
        }
    }

    [Theory]
    [InlineData(Board)]
    [InlineData(Stream)]
    public async Task Only_staff_may_see_the_board(string path)
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.SendAsync("GET", path).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync("GET", path, token: await platform.UserTokenAsync("alice")).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync("GET", path, token: await platform.CustomerTokenAsync("admin1@email.com")).ProblemAsync()).Status);
    }

    private static long? Confirmed(JsonElement board) =>
        board.GetProperty("orders") is { ValueKind: JsonValueKind.Object } orders ? orders.GetProperty("confirmed").GetInt64() : null;

    private static string?[] Unavailable(JsonElement board) =>
        [.. board.GetProperty("unavailable").EnumerateArray().Select(service => service.GetString())];
}

/// <summary>How the Gateway gathers the board, in front of fakes that count requests.</summary>
[Trait("Speed", "slow")]
public sealed class BoardGatheringTests : IAsyncLifetime
{
    private const string Stream = "/api/v1/overview/board/stream";
    private const string Sold =
        """
        {"orders":{"pending":1,"confirmed":2,"rejected":3,"cancelled":4},"days":[],
        "events":{"unsent":0,"oldestUnsentAt":null,"oldestPendingAt":null},"more":"than is shown"}
        """;

    private const string Dead =
        """
        {"items":[{"id":7,"event":"sales.order-placed.v1","at":"2026-01-05T10:00:00Z","queue":"warehouse",
        "reason":"It rained.","orderId":3,"traceId":"t"}],"nextCursor":null}
        """;

    private FakePlatform behind = null!;

    public async ValueTask InitializeAsync()
    {
        behind = await FakePlatform.StartAsync();
        behind["sales"].Answer = context => context.Response.WriteAsync(context.Request.Path == "/api/v1/sales/dead-letters" ? Dead : Sold);
        behind["warehouse"].Answer = context => context.Response.WriteAsync("""{"items":[],"nextCursor":null}""");
        foreach (var name in new[] { "sales", "warehouse" })
        {
            var answer = behind[name].Answer;
            behind[name].Answer = context =>
            {
                context.Response.ContentType = "application/json";
                return answer(context);
            };
        }
    }

    public ValueTask DisposeAsync() => behind.DisposeAsync();

    [Fact]
    public async Task Twenty_watchers_share_one_round_of_requests_made_with_a_watchers_token()
    {
        await using var gateway = GatewayHost.Start(behind, settings: ("RateLimit:StreamsPerCaller", "20"));
        using var http = gateway.Http();
        var token = TestTokens.User(role: "staff");
        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Events.OpenAsync(http, Stream, token)));
        foreach (var one in all)
        {
            var first = (await one.NextAsync())!.Value;
            Assert.Equal("board", first.EventType);
            Assert.Contains("It rained.", first.Data, StringComparison.Ordinal);
        }

        Assert.Equal(
            ["/api/v1/sales/dead-letters?limit=10", "/api/v1/sales/summary"],
            behind["sales"].Requests.Select(seen => seen.PathAndQuery).Order(StringComparer.Ordinal));
        Assert.All(behind["sales"].Requests, seen => Assert.Equal($"Bearer {token}", seen.Headers["Authorization"]));
        Assert.Equal("/api/v1/warehouse/items?lowStock=true&limit=10", Assert.Single(behind["warehouse"].Requests).PathAndQuery);
        foreach (var one in all)
        {
            await one.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_stream_ends_with_an_expired_event_when_its_token_expires()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        await using var events = await Events.OpenAsync(http, Stream, TestTokens.User(role: "admin"));
        Assert.Equal("board", (await events.NextAsync())!.Value.EventType);
        // Moving the clock also moves deadlines, so the board may change first.
        Assert.Equal(
            "expired",
            (await events.NextExceptAsync(() => gateway.Clock.Advance(TimeSpan.FromMinutes(1)), "heartbeat", "board"))!.Value.EventType);
        Assert.Null(await events.NextAsync());
    }

    [Fact]
    public async Task A_403_from_a_service_is_passed_on_and_ends_an_open_stream()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        var token = TestTokens.User(role: "staff");
        await using var events = await Events.OpenAsync(http, Stream, token);
        Assert.Equal("board", (await events.NextAsync())!.Value.EventType);

        behind["sales"].Refuse(StatusCodes.Status403Forbidden);
        Assert.Equal(
            "expired",
            (await events.NextExceptAsync(() => gateway.Clock.Advance(TimeSpan.FromSeconds(0.1)), "heartbeat", "board"))!.Value.EventType);
        Assert.Null(await events.NextAsync());
        foreach (var path in new[] { "/api/v1/overview/board", Stream })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await http.SendAsync("GET", path, token: token).ProblemAsync()).Status);
        }
    }

    [Fact]
    public async Task A_refused_query_ends_after_all_its_requests()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        behind["sales"].Refuse(StatusCodes.Status403Forbidden);
        var hasEnded = false;
        behind["warehouse"].Answer = async context =>
        {
            await Task.Delay(TimeSpan.FromSeconds(0.5), context.RequestAborted); // a slow service
            hasEnded = true;
        };
        var answer = http.SendAsync("GET", "/api/v1/overview/board", token: TestTokens.User(role: "staff"));
        Assert.Equal(HttpStatusCode.Forbidden, (await answer.ProblemAsync()).Status);
        Assert.True(hasEnded);
    }

    [Fact]
    public async Task A_user_without_the_role_gets_no_stream_and_no_service_is_called()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(
                "GET", Stream,
                token: TestTokens.Make(Issuers.Users, "0190d3a0-0000-7000-8000-000000000001", "user")).ProblemAsync()).Status);
        Assert.Empty(behind["sales"].Requests);
    }
}
