using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>gRPC over TLS through the Gateway, with a real client: everything that a call carries arrives on both sides.</summary>
[Trait("Speed", "slow")]
public sealed class GrpcTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Todos = "todo.v1.Todos";
    private const string Users = "users.v1.Users";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_unary_call_keeps_its_metadata_both_ways(bool scheme)
    {
        using var channel = fixture.Gateway.Channel();
        var token = TestTokens.User();
        var headers = new Metadata
        {
            { "authorization", scheme ? $"Bearer {token}" : token }, { "x-mine", "kept" }, { "x-mine-bin", new byte[] { 0, 1, 255 } }
        };
        using var call =
            channel.CreateCallInvoker().AsyncUnaryCall(GatewayHost.Method(Todos, "Echo"), host: null, new(headers), $"hällo 🌍 {scheme}");

        Assert.Equal($"hällo 🌍 {scheme}", await call.ResponseAsync);
        Assert.Equal("of todo", (await call.ResponseHeadersAsync).GetValue("x-header"));
        Assert.Equal("of todo", call.GetTrailers().GetValue("x-trailer"));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
        var seen =
            Assert.Single(fixture.Behind["todo"].Requests, seen => string.Equals(seen.Body, $"hällo 🌍 {scheme}", StringComparison.Ordinal));
        Assert.Equal(
            (scheme ? $"Bearer {token}" : token, "kept", "AAH/"),
            (seen.Headers["authorization"], seen.Headers["x-mine"], seen.Headers["x-mine-bin"]));
    }

    [Fact]
    public async Task A_stream_arrives_message_by_message()
    {
        using var channel = fixture.Gateway.Channel();
        using var call = channel.CreateCallInvoker()
            .AsyncServerStreamingCall(GatewayHost.Method(Todos, "Stream", MethodType.ServerStreaming), host: null, WithToken(), "part");
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal("part 1", call.ResponseStream.Current);
        fixture.Behind["todo"].Continue.SetResult(); // set after the first message, which therefore did not wait for it
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal("part 2", call.ResponseStream.Current);
        Assert.False(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal("of todo", call.GetTrailers().GetValue("x-trailer"));
    }

    [Fact]
    public async Task A_refusal_keeps_its_rich_details_and_trailers()
    {
        using var channel = fixture.Gateway.Channel();
        var failure = await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, Todos, "Refuse", WithToken()));
        Assert.Equal((StatusCode.InvalidArgument, "no"), (failure.StatusCode, failure.Status.Detail));
        Assert.Equal("of todo", failure.Trailers.GetValue("x-trailer"));
        var field = Assert.Single(failure.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>().FieldViolations);
        Assert.Equal(("title", "too long"), (field.Field, field.Description));

        var atOnce = await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, Todos, "RefuseAtOnce", WithToken()));
        Assert.Equal((StatusCode.FailedPrecondition, "not now"), (atOnce.StatusCode, atOnce.Status.Detail));
    }

    [Fact]
    public async Task A_callers_deadline_reaches_the_service_and_ends_the_call_there_too()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind);
        using var channel = gateway.Channel();
        // opens connections and fetches keys, so that the next call reaches the service within its deadline
        await GatewayHost.CallAsync(channel, Todos, "Echo", WithToken());
        var failure = await Assert.ThrowsAsync<RpcException>(() =>
            GatewayHost.CallAsync(channel, Todos, "StaySilent", WithToken().WithDeadline(DateTime.UtcNow.AddSeconds(3))));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        await behind["todo"].CallerLeft.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.True(Assert.Single(
            behind["todo"].Requests, seen => seen.Is("POST", $"/{Todos}/StaySilent")).Headers.ContainsKey("grpc-timeout"));
    }

    [Fact]
    public async Task Cancelling_a_call_cancels_it_at_the_service()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind);
        using var channel = gateway.Channel();
        using var cancel = new CancellationTokenSource();
        var call = GatewayHost.CallAsync(channel, Todos, "StaySilent", WithToken().WithCancellationToken(cancel.Token));
        await Eventually.TrueAsync(() => Task.FromResult(!behind["todo"].Requests.IsEmpty), "the call arrives");
        await cancel.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
        await behind["todo"].CallerLeft.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData(Users, "Register", true)]
    [InlineData(Users, "Login", true)]
    [InlineData(Users, "Refresh", true)]
    [InlineData(Users, "Logout", false)]
    [InlineData(Users, "GetMe", false)]
    [InlineData(Users, "UpdateMe", false)]
    [InlineData(Users, "ChangePassword", false)]
    [InlineData(Users, "DeleteMe", false)]
    [InlineData(Users, "WhateverComes", false)]
    [InlineData(Todos, "Create", false)]
    [InlineData(Todos, "List", false)]
    [InlineData(Todos, "Login", false)]
    public async Task Only_registering_signing_in_and_refreshing_need_no_token(string service, string method, bool open)
    {
        using var channel = fixture.Gateway.Channel();
        if (open)
        {
            Assert.Equal("m", await GatewayHost.CallAsync(channel, service, method, default));
        }
        else
        {
            Assert.Equal(
                StatusCode.Unauthenticated,
                (await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, service, method, default))).StatusCode);
        }

        Assert.Equal("m", await GatewayHost.CallAsync(channel, service, method, WithToken()));
    }

    [Theory]
    [InlineData("customers.v1.TokenValidation", "Validate")]
    [InlineData("warehouse.v1.Inventory", "BatchGetItems")]
    [InlineData("sales.v1.Orders", "PlaceOrder")]
    [InlineData("grpc.health.v1.Health", "Check")]
    [InlineData("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo")]
    [InlineData("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo")]
    [InlineData("users.v2.Users", "Login")]
    public async Task Internal_and_unknown_gRPC_services_are_unimplemented_from_outside(string service, string method)
    {
        using var channel = fixture.Gateway.Channel();
        foreach (var options in new[] { default, WithToken() })
        {
            var failure = await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, service, method, options));
            Assert.Equal(StatusCode.Unimplemented, failure.StatusCode);
            Assert.Contains("users.v1.Users", failure.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_service_that_is_down_is_unavailable_and_its_address_is_not_disclosed()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind);
        var address = new Uri(behind["todo"].Grpc);
        await behind["todo"].DisposeAsync();
        using var channel = gateway.Channel();
        var failure = await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, Todos, "Get", WithToken()));
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.DoesNotContain("127.0.0.1", failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(
            address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), failure.Status.ToString(), StringComparison.Ordinal);
        Assert.Equal("m", await GatewayHost.CallAsync(channel, Users, "GetMe", WithToken()));
    }

    [Fact]
    public async Task A_service_that_is_silent_is_unavailable_within_the_deadline_of_the_Gateway()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind, settings: ("Proxy:Deadline", "00:00:01"));
        using var channel = gateway.Channel();
        var failure = await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, Todos, "StaySilent", WithToken()));
        Assert.Equal(
            (StatusCode.Unavailable, true), (failure.StatusCode, failure.Status.Detail.Contains("todo", StringComparison.Ordinal)));
        await behind["todo"].CallerLeft.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    [Fact]
    [Trait("Covers", "N-01")]
    public async Task Calls_that_share_a_connection_are_authenticated_separately()
    {
        using var channel = fixture.Gateway.Channel();
        string[] tokens =
        [
            TestTokens.User("0190d3a0-0000-7000-8000-00000000000a"), TestTokens.User("0190d3a0-0000-7000-8000-00000000000b"),
        ];
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            await GatewayHost.CallAsync(
                channel, Todos, "Echo", new(new Metadata { { "authorization", tokens[i % 2] } }), $"shared {i % 2}");
            await Assert.ThrowsAsync<RpcException>(() => GatewayHost.CallAsync(channel, Todos, "Echo", default, "shared nobody"));
        }));
        var seen = fixture.Behind["todo"].Requests.Where(seen => seen.Body.StartsWith("shared", StringComparison.Ordinal)).ToList();
        Assert.Equal(200, seen.Count);
        Assert.All(seen, request => Assert.Equal(tokens[request.Body[^1] - '0'], request.Headers["authorization"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_gRPC_method_called_over_HTTP_1_answers_426_and_names_HTTP_2(bool tls)
    {
        using var http = fixture.Gateway.Http(tls);
        using var response = await http.SendAsync("POST", $"/{Users}/Login", new { });
        Assert.Equal((HttpStatusCode.UpgradeRequired, "HTTP/2.0"), (response.StatusCode, response.Headers.Upgrade.ToString()));
        Assert.Contains("https", (await Task.FromResult(response).ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/api/v1/carts/me", HttpStatusCode.Unauthorized)]
    [InlineData("POST", "/api/v1/todos", HttpStatusCode.Unauthorized)]
    [InlineData("POST", "/api/v1/overview/board", HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", "/nothing", HttpStatusCode.NotFound)]
    [InlineData("POST", "/.well-known/jwks.json", HttpStatusCode.NotFound)]
    public async Task A_refused_REST_request_gets_problem_details_for_any_content_type(string verb, string path, HttpStatusCode expected)
    {
        foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
        {
            using var http = fixture.Gateway.Http(version: version);
            foreach (var type in new[] { "application/grpc", "application/grpc+proto", "application/grpc-web" })
            {
                using var request = new HttpRequestMessage(new(verb), path) { Version = version };
                request.Content = new StringContent("{}", new MediaTypeHeaderValue(type));
                var problem = await http.SendAsync(request, TestContext.Current.CancellationToken).ProblemAsync();
                Assert.Equal((type, expected), (type, problem.Status));
            }
        }
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/grpc-web")]
    [InlineData("application/grpc-web+proto")]
    [InlineData("application/grpc+json")]
    public async Task A_gRPC_method_answers_other_content_types_with_415(string type)
    {
        using var http = fixture.Gateway.Http(version: HttpVersion.Version20);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/{Users}/Login")
        {
            Content = new StringContent("{}", new MediaTypeHeaderValue(type)),
            Version = HttpVersion.Version20,
        };
        var problem = await http.SendAsync(request, TestContext.Current.CancellationToken).ProblemAsync();
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, problem.Status);
        Assert.Contains("application/grpc", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task REST_works_over_HTTP_2_and_the_plain_port_supports_only_HTTP_1()
    {
        using var http = fixture.Gateway.Http(version: HttpVersion.Version20);
        using var response = await http.GetAsync(new Uri("/api/v1/products", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (response.StatusCode, response.Version));

        using var plain = fixture.Gateway.Http(tls: false, HttpVersion.Version20);
        await Assert.ThrowsAsync<HttpRequestException>(() =>
            plain.GetAsync(new Uri("/api/v1/products", UriKind.Relative), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Behind_a_proxy_that_terminates_TLS_gRPC_works_in_cleartext()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(
            behind, "Production", ("Kestrel:Endpoints:https:Url", "http://127.0.0.2:0"), ("Kestrel:Endpoints:https:Protocols", "Http2"),
            ("TrustedProxies:0", "127.0.0.0/8"));
        using var channel = GrpcChannel.ForAddress(gateway.AddressOf("127.0.0.2"));
        Assert.Equal("m", await GatewayHost.CallAsync(channel, Users, "Login", default));

        using var http = gateway.Http(tls: false);
        using var response = await http.SendAsync(
            "GET", "/api/v1/products",
            headers: [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("Host", "api.example")]);
        Assert.True(response.Headers.Contains("Strict-Transport-Security"));
        Assert.Equal("203.0.113.9", behind["cart"].Requests.Last().Headers["X-Forwarded-For"]);
    }

    private static CallOptions WithToken() => new(new Metadata { { "authorization", $"Bearer {TestTokens.User()}" } });
}
