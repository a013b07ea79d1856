using System.Net;
using System.Text;
using Grpc.Core;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The limits on the size and the rate of requests.</summary>
[Trait("Speed", "slow")]
public sealed class LimitTests : IAsyncLifetime
{
    private FakePlatform behind = null!;

    public async ValueTask InitializeAsync() => behind = await FakePlatform.StartAsync();

    public ValueTask DisposeAsync() => behind.DisposeAsync();

    [Fact]
    public async Task A_caller_over_the_rate_limit_gets_429_with_Retry_After_and_other_callers_are_not_limited()
    {
        await using var gateway = GatewayHost.Start(behind, "Production", ("RateLimit:PermitsPerSecond", "1"), ("RateLimit:Burst", "3"));
        using var http = gateway.Http();
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => http.SendAsync("GET", "/api/v1/products")));
        Assert.True(answers.Count(answer => answer.StatusCode is HttpStatusCode.OK) >= 3);
        var refused = answers.First(answer => answer.StatusCode is HttpStatusCode.TooManyRequests);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await Task.FromResult(refused).ProblemAsync()).Status);

        // Each account has its own bucket, even at the same address.
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/carts/1", token: TestTokens.Customer("1")).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/todos", token: TestTokens.User()).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/health/ready").StatusAsync());
        await Eventually.TrueAsync(
            async () => await http.SendAsync("GET", "/api/v1/products").StatusAsync() is HttpStatusCode.OK, "the bucket fills again");
    }

    [Fact]
    public async Task Signing_in_and_registering_share_a_stricter_limit_per_address_whatever_the_token()
    {
        await using var gateway = GatewayHost.Start(behind, "Production", ("RateLimit:SignInsPerMinute", "1"),
            ("RateLimit:SignInBurst", "4"), ("RateLimit:Burst", "1000"));
        using var http = gateway.Http();
        foreach (var path in new[] { "/api/v1/auth/login", "/api/v1/customers", "/api/v1/users/login", "/api/v1/users" })
        {
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("POST", path, new { }, TestTokens.Customer(path)).StatusAsync());
        }

        foreach (var path in new[] { "/api/v1/auth/login", "/api/v1/customers/", "/api/v1/users/LOGIN", "/api/v1/users" })
        {
            using var refused = await http.SendAsync("POST", path, new { }, TestTokens.Customer());
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        }

        using var channel = gateway.Channel();
        foreach (var method in new[] { "Register", "Login" })
        {
            Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() =>
                GatewayHost.CallAsync(channel, "users.v1.Users", method, default))).StatusCode);
        }

        // Requests that try no password still work.
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("POST", "/api/v1/auth/refresh", new { }).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/products").StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/customers", token: TestTokens.Customer()).StatusAsync());
    }

    [Fact]
    public async Task The_default_sign_in_limit_is_strict_in_production_and_loose_in_development()
    {
        await using var strict = GatewayHost.Start(behind, "Production", ("RateLimit:Burst", "1000"));
        using var http = strict.Http(tls: false);
        Assert.Contains(HttpStatusCode.TooManyRequests,
            await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => http.SendAsync("POST", "/api/v1/auth/login", new { }).StatusAsync())));

        await using var wide = GatewayHost.Start(behind);
        using var development = wide.Http(tls: false);
        Assert.All(
            await Task.WhenAll(Enumerable.Range(0, 400)
                .Select(_ => development.SendAsync("POST", "/api/v1/auth/login", new { }).StatusAsync())),
            status => Assert.Equal(HttpStatusCode.OK, status));
    }

    [Fact]
    public async Task Forged_subjects_share_one_rate_limit()
    {
        await using var gateway = GatewayHost.Start(behind, "Production", ("RateLimit:PermitsPerSecond", "1"), ("RateLimit:Burst", "3"));
        using var http = gateway.Http();
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i =>
            http.SendAsync(
                "GET", "/api/v1/carts/1",
                token: TestTokens.Make(Issuers.Customers, $"{i}", "customer", token => token.Audience = "elsewhere")).StatusAsync()));
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);
        Assert.DoesNotContain(HttpStatusCode.OK, answers);
    }

    [Fact]
    public async Task Spoofed_addresses_behind_a_proxy_share_one_rate_limit()
    {
        await using var gateway = GatewayHost.Start(
            behind, "Production", ("RateLimit:PermitsPerSecond", "1"), ("RateLimit:Burst", "3"), ("TrustedProxies:0", "0.0.0.0/0"),
            ("TrustedProxies:1", "::/0"));
        using var http = gateway.Http();
        // The proxy appends the caller's address to the one that the caller claims.
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i =>
            http.SendAsync("GET", "/api/v1/products", headers: [("X-Forwarded-For", $"203.0.113.{i}, 198.51.100.7")]).StatusAsync()));
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);

        Assert.Equal(
            HttpStatusCode.OK,
            await http.SendAsync("GET", "/api/v1/products", headers: [("X-Forwarded-For", "198.51.100.8")]).StatusAsync());
    }

    [Fact]
    public async Task A_gRPC_caller_over_the_rate_limit_gets_RESOURCE_EXHAUSTED_with_a_retry_delay()
    {
        await using var gateway = GatewayHost.Start(behind, "Production", ("RateLimit:PermitsPerSecond", "1"), ("RateLimit:Burst", "2"));
        using var channel = gateway.Channel();
        var failures = await Task.WhenAll(Enumerable.Range(0, 40).Select(async _ =>
        {
            try
            {
                await GatewayHost.CallAsync(channel, "users.v1.Users", "Login", default);
                return null;
            }
            catch (RpcException failure)
            {
                return failure;
            }
        }));
        var refused = failures.OfType<RpcException>().First();
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.True(refused.GetRpcStatus()!.GetDetail<Google.Rpc.RetryInfo>().RetryDelay.ToTimeSpan() >= TimeSpan.FromSeconds(1));
        Assert.Contains(null, failures);
    }

    [Fact]
    public async Task The_default_rate_limit_is_strict_in_production_and_loose_in_development()
    {
        // Without TLS, because handshakes take time in which the bucket fills again.
        await using var strict = GatewayHost.Start(behind, "Production");
        using var http = strict.Http(tls: false);
        var answers = await Task.WhenAll(Enumerable.Range(0, 400).Select(_ => http.SendAsync("GET", "/nothing").StatusAsync()));
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);

        await using var wide = GatewayHost.Start(behind);
        using var development = wide.Http(tls: false);
        answers = await Task.WhenAll(Enumerable.Range(0, 400).Select(_ => development.SendAsync("GET", "/nothing").StatusAsync()));
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.NotFound, status));
    }

    [Fact]
    public async Task A_body_of_one_mebibyte_passes_and_a_longer_body_is_refused_chunked_or_not()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        var body = new string('x', (int)ServiceDefaultsExtensions.MaxRequestBodyBytes);
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("POST", "/api/v1/users/login", body).StatusAsync());
        Assert.Equal(body.Length, Assert.Single(behind["users"].Requests).Body.Length);

        foreach (var chunked in new[] { true, false })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/api/v1/users/login", UriKind.Relative))
            {
                Content = new StringContent(body + "x", Encoding.UTF8, "application/json"),
            };
            request.Headers.TransferEncodingChunked = chunked;
            request.Headers.ExpectContinue = !chunked;
            var problem = await http.SendAsync(request, TestContext.Current.CancellationToken).ProblemAsync();
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, problem.Status);
        }

        Assert.Single(behind["users"].Requests);
    }

    [Fact]
    public async Task A_NUL_in_the_query_is_refused_before_the_service_is_called()
    {
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        Assert.Equal(HttpStatusCode.BadRequest, (await http.SendAsync("GET", "/api/v1/products?search=a%00b").ProblemAsync()).Status);
        Assert.Empty(behind["cart"].Requests);
    }
}
