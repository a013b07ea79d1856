using System.Net;
using System.Security.Cryptography;
using Grpc.Core;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The Gateway's token check: which tokens pass, which are refused, and the answer when the keys are unavailable.</summary>
[Trait("Speed", "slow")]
public sealed class TokenTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    // The id of a user, so that each forgery has only one fault.
    private const string Subject = "0190d3a0-0000-7000-8000-000000000001";

    public static TheoryData<string, string?> Forgeries
    {
        get
        {
            var header = new { alg = "RS256", typ = "JWT", kid = "test-1" };
            var claims = new
            {
                iss = Issuers.Users,
                aud = Issuers.Audience,
                sub = Subject,
                role = "admin",
                exp = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds(),
            };
            var publicKey = Base64UrlEncoder.Encode(TestTokens.Key.Rsa.ExportSubjectPublicKeyInfo());
            var good = TestTokens.User().Split('.');
            using var other = RSA.Create(2048);
            return new()
            {
                { "no token", null },
                { "one word", "garbage" },
                { "no dots", new string('a', 300) },
                { "three parts that are not base64", "!.!.!" },
                { "three empty parts", ".." },
                { "five parts, as an encrypted token has", "a.b.c.d.e" },
                {
                    "signed by another key under our key's name",
                    TestTokens.Make(
                        Issuers.Users, Subject, "admin",
                        d => d.SigningCredentials = new(
                            new RsaSecurityKey(RSA.Create(2048)) { KeyId = "test-1" }, SecurityAlgorithms.RsaSha256))
                },
                {
                    "signed by an unpublished key",
                    TestTokens.Make(
                        Issuers.Users, Subject, "admin",
                        d => d.SigningCredentials = new(
                            new RsaSecurityKey(RSA.Create(2048)) { KeyId = "unknown" }, SecurityAlgorithms.RsaSha256))
                },
                { "algorithm none", TestTokens.Raw(new { alg = "none", typ = "JWT" }, claims) },
                { "no signature", TestTokens.Raw(header, claims) },
                { "a meaningless signature", TestTokens.Raw(header, claims, "AAAA") },
                {
                    "HS256 with the public key as the secret",
                    TestTokens.Make(
                        Issuers.Users, Subject, "admin",
                        d => d.SigningCredentials = new(
                            new SymmetricSecurityKey(Base64UrlEncoder.DecodeBytes(publicKey)) { KeyId = "test-1" },
                            SecurityAlgorithms.HmacSha256))
                },
                {
                    "another algorithm",
                    TestTokens.Make(
                        Issuers.Users, Subject, "admin", d => d.SigningCredentials = new(TestTokens.Key, SecurityAlgorithms.RsaSha512))
                },
                { "changed claims", $"{good[0]}.{TestTokens.Raw(header, claims).Split('.')[1]}.{good[2]}" },
                // A whole day, because the Gateway's clock stands still from its start.
                { "expired", TestTokens.Make(Issuers.Users, Subject, "admin", d => d.Expires = DateTime.UtcNow.AddDays(-1)) },
                { "not valid yet", TestTokens.Make(Issuers.Users, Subject, "admin", d => d.NotBefore = DateTime.UtcNow.AddMinutes(5)) },
                { "without an expiry", TestTokens.Make(Issuers.Users, Subject, "admin", d => d.Expires = null) },
                { "a subject that is not a user's", TestTokens.Make(Issuers.Users, "1", "admin") },
                { "without a subject", TestTokens.Make(Issuers.Users, subject: null, "admin") },
                { "another audience", TestTokens.Make(Issuers.Users, Subject, "admin", d => d.Audience = "elsewhere") },
                { "another issuer", TestTokens.Make("microplatform/nobody", Subject, "admin") },
                { "no issuer", TestTokens.Make("", Subject, "admin", d => d.Issuer = null) },
                { "longer than any token", new string('a', 9000) + ".b.c" },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Forgeries), DisableDiscoveryEnumeration = true)]
    [Trait("Covers", "N-02")]
    public async Task A_missing_or_invalid_token_is_refused_and_the_next_valid_token_works(string what, string? token)
    {
        using var http = fixture.Gateway.Http();
        var path = "/api/v1/todos/" + Uri.EscapeDataString(what);
        var problem = await http.SendAsync("GET", path, headers: token is null ? [] : [("Authorization", $"Bearer {token}")])
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, problem.Status);
        Assert.DoesNotContain(fixture.Behind["todo"].Requests, seen => seen.Is("GET", path));

        using var channel = fixture.Gateway.Channel();
        var headers = token is null ? [] : new Metadata { { "authorization", $"Bearer {token}" } };
        var refused = await Assert.ThrowsAsync<RpcException>(() =>
            GatewayHost.CallAsync(channel, "todo.v1.Todos", "Echo", new(headers), what));
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);

        await http.SendAsync("GET", path, token: TestTokens.User()).JsonAsync();
    }

    [Theory]
    [InlineData(-3, HttpStatusCode.OK)]
    [InlineData(-7, HttpStatusCode.Unauthorized)]
    public async Task A_token_is_valid_until_its_expiry_plus_five_seconds_of_clock_skew(int seconds, HttpStatusCode expected)
    {
        using var http = fixture.Gateway.Http();
        var token = TestTokens.Make(
            Issuers.Users, Subject, "user", d => d.Expires = fixture.Gateway.Clock.GetUtcNow().UtcDateTime.AddSeconds(seconds));
        Assert.Equal(expected, await http.SendAsync("GET", "/api/v1/todos", token: token).StatusAsync());
    }

    [Theory]
    [InlineData("Bearer {0}", true)]
    [InlineData("bearer {0}", true)]
    [InlineData("BEARER   {0}", true)]
    [InlineData("{0}", false)]
    [InlineData("Basic {0}", false)]
    [InlineData("Beareraaa {0}", false)]
    [InlineData("Bearer {0} more", false)]
    [InlineData("Bearer", false)]
    public async Task The_Bearer_scheme_is_required_and_case_insensitive(string format, bool good)
    {
        using var http = fixture.Gateway.Http();
        var header = string.Format(System.Globalization.CultureInfo.InvariantCulture, format, TestTokens.User());
        Assert.Equal(
            good ? HttpStatusCode.OK : HttpStatusCode.Unauthorized,
            await http.SendAsync("GET", "/api/v1/todos", headers: [("Authorization", header)]).StatusAsync());
    }

    [Fact]
    public async Task A_token_in_the_query_or_twice_in_the_header_is_refused()
    {
        using var http = fixture.Gateway.Http();
        var token = TestTokens.User();
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", $"/api/v1/todos?access_token={token}").StatusAsync());
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync(
                "GET", "/api/v1/todos",
                headers: [("Authorization", $"Bearer {token}"), ("Authorization", $"Bearer {token}")]).StatusAsync());
    }

    [Fact]
    public async Task When_an_issuers_keys_are_unavailable_its_tokens_get_503_and_other_requests_work()
    {
        await using var behind = await FakePlatform.StartAsync();
        await behind["customers"].DisposeAsync();
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();

        using var response = await http.SendAsync("GET", "/api/v1/carts/me", token: TestTokens.Customer());
        Assert.Equal(
            (HttpStatusCode.ServiceUnavailable, "application/problem+json", true),
            (response.StatusCode, response.Content.Headers.ContentType?.MediaType, response.Headers.RetryAfter is not null));
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", "/api/v1/carts/me", token: "garbage").StatusAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", "/api/v1/carts/me").StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/todos", token: TestTokens.User()).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/products", token: TestTokens.Customer()).StatusAsync());

        using var channel = gateway.Channel();
        var failure = await Assert.ThrowsAsync<RpcException>(() =>
            GatewayHost.CallAsync(channel, "todo.v1.Todos", "Echo", new(new Metadata { { "authorization", TestTokens.Customer() } })));
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
    }

    [Fact]
    public async Task Cached_keys_work_while_their_issuer_is_down_and_are_renewed_when_it_is_back()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/carts/me", token: TestTokens.Customer()).StatusAsync());

        var address = new Uri(behind["customers"].Http);
        await behind["customers"].DisposeAsync();
        // The cached keys are now older than their lifetime of five minutes.
        gateway.Clock.Advance(TimeSpan.FromMinutes(6));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/carts/me", token: TestTokens.Customer()).StatusAsync());
        }

        await using var back = await FakeService.StartAsync("customers", port: address.Port);
        var next = new RsaSecurityKey(RSA.Create(2048)) { KeyId = "test-2" };
        back.KeySet = TestTokens.KeySetOf(next);
        gateway.Clock.Advance(TimeSpan.FromMinutes(6));
        var token = TestTokens.Make(Issuers.Customers, "3", "customer", descriptor =>
            descriptor.SigningCredentials = new(next, SecurityAlgorithms.RsaSha256));
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/api/v1/carts/me", token: token).StatusAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await http.SendAsync("GET", "/api/v1/carts/me", token: TestTokens.Customer())
            .StatusAsync());
    }
}
