using System.Net;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>Silent services and slow callers: the deadline of a service cuts off only the silent services.</summary>
[Trait("Speed", "slow")]
public sealed class PauseTests : IAsyncLifetime
{
    private const string Todos = "todo.v1.Todos";
    private static readonly (string Key, string Value) Deadline = ("Proxy:Deadline", "00:00:01");
    private FakePlatform behind = null!;

    public async ValueTask InitializeAsync() => behind = await FakePlatform.StartAsync();

    public ValueTask DisposeAsync() => behind.DisposeAsync();

    [Fact]
    public async Task A_reader_that_pauses_longer_than_the_deadline_of_a_service_gets_the_whole_stream()
    {
        await using var gateway = GatewayHost.Start(behind, settings: Deadline);
        using var channel = gateway.Channel();
        using var call = Stream(channel, "Flood");
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await LetDeadlinePassAsync(gateway);
        var messages = 1;
        while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
        {
            messages++;
        }

        Assert.Equal((FakeService.FloodMessages, StatusCode.OK), (messages, call.GetStatus().StatusCode));
    }

    [Fact]
    public async Task A_sender_that_pauses_longer_than_the_deadline_of_a_service_is_answered()
    {
        await using var gateway = GatewayHost.Start(behind, settings: Deadline);
        using var http = gateway.Http();
        using var body = new InTwoParts("one and ", "two", () => LetDeadlinePassAsync(gateway));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/todos") { Content = body };
        request.Headers.Authorization = new("Bearer", TestTokens.User());
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("one and two", Assert.Single(behind["todo"].Requests, seen => seen.Is("POST", "/api/v1/todos")).Body);
    }

    [Fact]
    public async Task A_service_that_falls_silent_in_the_middle_of_a_stream_is_cut_off_at_the_deadline()
    {
        await using var gateway = GatewayHost.Start(behind, settings: Deadline);
        using var channel = gateway.Channel();
        using var call = Stream(channel, "Stream");
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        var next = call.ResponseStream.MoveNext(TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<RpcException>(() => next.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_reader_that_stops_reading_is_cut_off_after_the_longest_allowed_pause()
    {
        await using var gateway = GatewayHost.Start(behind, settings: ("Proxy:CallerPause", "00:00:01"));
        using var channel = gateway.Channel();
        using var call = Stream(channel, "Flood");
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await behind["todo"].CallerLeft.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    private static AsyncServerStreamingCall<string> Stream(ChannelBase channel, string method)
    {
        var streaming = GatewayHost.Method(Todos, method, MethodType.ServerStreaming);
        var headers = new Metadata { { "authorization", TestTokens.User() } };
        return channel.CreateCallInvoker().AsyncServerStreamingCall(streaming, host: null, new(headers), "m");
    }

    /// <summary>Calls two silent services until both calls time out, so that other calls have waited longer than the deadline.</summary>
    private async Task LetDeadlinePassAsync(GatewayHost gateway)
    {
        using var http = gateway.Http();
        foreach (var (service, path) in new[] { ("cart", "/api/v1/products"), ("sales", "/api/v1/sales/orders") })
        {
            behind[service].Answer = behind[service].StaySilentAsync;
            var status = await http.SendAsync("GET", path, token: TestTokens.User(role: "staff")).StatusAsync();
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        }
    }

    /// <summary>A body whose second part is sent when <paramref name="between"/> is over.</summary>
    private sealed class InTwoParts(string first, string second, Func<Task> between) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(first));
            await stream.FlushAsync();
            await between();
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(second));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
