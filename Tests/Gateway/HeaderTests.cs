using System.Diagnostics;
using System.Net;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The headers of every answer, and those for browsers.</summary>
public sealed class HeaderTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    [Theory]
    [InlineData("/")]
    [InlineData("/protos/")]
    [InlineData("/api/v1/products")]
    [InlineData("/api/v1/carts/me")]
    [InlineData("/nothing")]
    [InlineData("/health/ready")]
    [InlineData("/openapi/gateway.json")]
    public async Task Every_answer_forbids_sniffing_and_framing_and_names_no_server(string path)
    {
        using var http = fixture.Gateway.Http();
        using var response = await http.SendAsync("GET", path);
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Contains(
            "frame-ancestors 'none'", Assert.Single(response.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Contains(
            "default-src 'none'", Assert.Single(response.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.False(response.Headers.Contains("Server"));
    }

    [Theory]
    [InlineData("/api/v1/carts/me", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/overview/board/stream", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/products?search=%00", HttpStatusCode.BadRequest)]
    public async Task Callers_that_do_not_accept_JSON_still_get_problem_details(string path, HttpStatusCode expected)
    {
        using var http = fixture.Gateway.Http();
        foreach (var accepted in new[] { "text/html", "text/event-stream", "image/*;q=0.1", "nonsense" })
        {
            Assert.Equal(expected, (await http.SendAsync("GET", path, headers: ("Accept", accepted)).ProblemAsync()).Status);
        }
    }

    [Theory]
    [InlineData("abc-123_x.Y", true)]
    [InlineData("", false)]
    [InlineData("two words", false)]
    [InlineData("<script>", false)]
    public async Task A_request_id_is_kept_if_valid_and_replaced_if_not_and_is_sent_to_the_service(string sent, bool kept)
    {
        using var http = fixture.Gateway.Http();
        var path = $"/api/v1/products/{Guid.NewGuid()}";
        using var response = await http.SendAsync("GET", path, headers: ("X-Request-Id", sent));
        var id = Assert.Single(response.Headers.GetValues("X-Request-Id"));
        Assert.Equal(kept, string.Equals(sent, id, StringComparison.Ordinal));
        Assert.Matches("^[A-Za-z0-9._-]{1,128}$", id);
        Assert.Equal(id, Assert.Single(fixture.Behind["cart"].Requests, seen => seen.Is("GET", path)).Headers["X-Request-Id"]);
    }

    [Fact]
    public async Task A_non_ASCII_header_reaches_the_service_unchanged()
    {
        using var http = fixture.Gateway.Http();
        var path = $"/api/v1/products/{Guid.NewGuid()}";
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", path, headers: ("X-Name", "schön")).StatusAsync());
        Assert.Equal("schön", Assert.Single(fixture.Behind["cart"].Requests, seen => seen.Is("GET", path)).Headers["X-Name"]);
    }

    [Fact]
    public async Task A_request_id_that_is_too_long_is_replaced()
    {
        using var http = fixture.Gateway.Http();
        using var response = await http.SendAsync("GET", "/nothing", headers: ("X-Request-Id", new string('a', 129)));
        Assert.InRange(Assert.Single(response.Headers.GetValues("X-Request-Id")).Length, 1, 128);
    }

    [Fact]
    public async Task A_trace_goes_from_the_caller_through_the_Gateway_to_the_service()
    {
        using var http = fixture.Gateway.Http();
        var trace = ActivityTraceId.CreateRandom().ToHexString();
        using var response = await http.SendAsync(
            "GET", $"/api/v1/products/{trace}", headers: ("traceparent", $"00-{trace}-0102030405060708-01"));
        Assert.Contains(trace, Assert.Single(response.Headers.GetValues("traceparent")), StringComparison.Ordinal);
        var seen = Assert.Single(fixture.Behind["cart"].Requests, seen => seen.Is("GET", $"/api/v1/products/{trace}"));
        Assert.Contains(trace, seen.Headers["traceparent"], StringComparison.Ordinal);
        Assert.DoesNotContain("0102030405060708", seen.Headers["traceparent"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_of_the_Gateway_carry_the_request_id_and_the_trace_id()
    {
        using var http = fixture.Gateway.Http();
        using var response = await http.SendAsync("GET", "/api/v1/carts/me", headers: ("X-Request-Id", "mine"));
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("mine", Assert.Single(response.Headers.GetValues("X-Request-Id")));
        var body = await Task.FromResult(response).JsonAsync(HttpStatusCode.Unauthorized);
        Assert.Equal(Assert.Single(response.Headers.GetValues("traceparent"))[..35], body.GetProperty("traceId").GetString()![..35]);
    }

    [Fact]
    public async Task HSTS_is_sent_over_TLS_outside_development()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var production = GatewayHost.Start(behind, "Production");
        foreach (var (gateway, tls, expected) in new[]
        {
            (production, true, true), (production, false, false), (fixture.Gateway, true, false)
        })
        {
            using var http = gateway.Http(tls);
            using var response = await http.SendAsync("GET", "/", headers: ("Host", "api.example"));
            Assert.Equal(expected, response.Headers.Contains("Strict-Transport-Security"));
        }
    }

    [Fact]
    public async Task CORS_allows_only_the_configured_origins()
    {
        using var http = fixture.Gateway.Http();
        using var preflight = await http.SendAsync(
            "OPTIONS", "/api/v1/carts/me",
            headers: [
                ("Origin", "https://shop.example"), ("Access-Control-Request-Method", "PATCH"),
                ("Access-Control-Request-Headers", "authorization,if-match")
            ]);
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Equal("https://shop.example", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Contains("PATCH", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Methods")), StringComparison.Ordinal);
        Assert.Contains(
            "if-match", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Headers")), StringComparison.OrdinalIgnoreCase);

        using var call = await http.SendAsync("GET", "/api/v1/carts/me", headers: ("Origin", "https://shop.example"));
        Assert.Equal(
            (HttpStatusCode.Unauthorized, "https://shop.example"),
            (call.StatusCode, call.Headers.GetValues("Access-Control-Allow-Origin").Single()));
        Assert.Contains("ETag", call.Headers.GetValues("Access-Control-Expose-Headers").Single(), StringComparison.Ordinal);
        Assert.False(call.Headers.Contains("Access-Control-Allow-Credentials"));

        using var other = await http.SendAsync("GET", "/api/v1/products", headers: ("Origin", "https://evil.example"));
        Assert.False(other.Headers.Contains("Access-Control-Allow-Origin"));

        await using var behind = await FakePlatform.StartAsync();
        await using var closed = GatewayHost.Start(behind);
        using var none = closed.Http();
        using var response = await none.SendAsync("GET", "/api/v1/products", headers: ("Origin", "https://shop.example"));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("https://shop.example")]
    [InlineData("https://evil.example")]
    [InlineData(null)]
    public async Task Every_answer_names_Origin_in_Vary_once(string? origin)
    {
        using var http = fixture.Gateway.Http();
        foreach (var path in new[] { "/api/v1/products", "/api/v1/carts/me", "/nothing", "/openapi/gateway.json", "/pages/icon.svg" })
        {
            using var response = await http.SendAsync("GET", path, headers: origin is null ? [] : [("Origin", origin)]);
            Assert.Equal(1, response.Headers.Vary.Count(name => name is "Origin"));
        }
    }

    [Theory]
    [InlineData("", "", true)]
    [InlineData("private, max-age=3", "", true)]
    [InlineData("no-store", "", false)]
    [InlineData("", "W/\"7\"", true)]
    [InlineData("", "\"7\"", false)]
    public async Task Answers_are_compressed_unless_they_have_no_store_or_a_strong_ETag(string cacheControl, string tag, bool compressed)
    {
        await using var behind = await FakePlatform.StartAsync();
        behind["cart"].Answer = async context =>
        {
            context.Response.Headers.CacheControl = cacheControl.Length == 0 ? default : cacheControl;
            context.Response.Headers.ETag = tag.Length == 0 ? default : tag;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($"[{string.Join(',', Enumerable.Repeat("\"the same\"", 500))}]");
        };
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        using var response = await http.SendAsync("GET", "/api/v1/products", headers: ("Accept-Encoding", "br, gzip"));
        Assert.Equal(compressed, response.Content.Headers.ContentEncoding.Count > 0);
        var length = (await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).Length;
        Assert.Equal(compressed, length < 500);

        using var plain = await http.SendAsync("GET", "/api/v1/products");
        Assert.Empty(plain.Content.Headers.ContentEncoding);
        Assert.Equal((tag, tag), ($"{response.Headers.ETag}", $"{plain.Headers.ETag}"));
    }

    [Theory]
    [InlineData("/pages/style.css")]
    [InlineData("/scalar/scalar.js")]
    [InlineData("/openapi/gateway.json")]
    [InlineData("/")]
    public async Task Two_encodings_of_a_page_never_share_a_strong_ETag(string path)
    {
        using var http = fixture.Gateway.Http();
        using var plain = await http.SendAsync("GET", path);
        foreach (var encoding in new[] { "gzip", "br" })
        {
            using var encoded = await http.SendAsync("GET", path, headers: ("Accept-Encoding", encoding));
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (plain.StatusCode, encoded.StatusCode));
            var isEncoded = encoded.Content.Headers.ContentEncoding.Count > 0;
            Assert.False(
                isEncoded && encoded.Headers.ETag is { IsWeak: false } && encoded.Headers.ETag.Equals(plain.Headers.ETag),
                $"{path} has the tag {encoded.Headers.ETag} as {encoding} and plain");
            if (encoded.Headers.ETag is { } tag)
            {
                using var again = await http.SendAsync("GET", path, headers: [("Accept-Encoding", encoding), ("If-None-Match", $"{tag}")]);
                Assert.Equal((HttpStatusCode.NotModified, tag), (again.StatusCode, again.Headers.ETag));
                Assert.Equal($"{encoded.Headers.Vary}", $"{again.Headers.Vary}");
            }
        }
    }
}
