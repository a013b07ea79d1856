using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>Which service gets which call, which calls need no token, and which do not exist from outside.</summary>
public sealed class RoutingTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    [Theory]
    [InlineData("POST", "/api/v1/auth/login", "customers")]
    [InlineData("POST", "/api/v1/auth/refresh", "customers")]
    [InlineData("POST", "/api/v1/auth/logout", "customers")]
    [InlineData("POST", "/api/v1/customers", "customers")]
    [InlineData("POST", "/api/v1/customers/", "customers")]
    [InlineData("GET", "/api/v1/products", "cart")]
    [InlineData("HEAD", "/api/v1/products", "cart")]
    [InlineData("GET", "/api/v1/products/7", "cart")]
    [InlineData("POST", "/api/v1/users", "users")]
    [InlineData("POST", "/api/v1/users/login", "users")]
    [InlineData("POST", "/api/v1/users/refresh", "users")]
    [InlineData("POST", "/api/v1/users/logout", "users")]
    [InlineData("GET", "/openapi/customers.json", "customers")]
    [InlineData("GET", "/openapi/cart.json", "cart")]
    [InlineData("GET", "/openapi/users.json", "users")]
    [InlineData("GET", "/openapi/todo.json", "todo")]
    [InlineData("GET", "/openapi/warehouse.json", "warehouse")]
    [InlineData("GET", "/openapi/accounting.json", "accounting")]
    [InlineData("GET", "/openapi/sales.json", "sales")]
    public async Task A_public_path_reaches_its_service_without_a_token(string method, string path, string service)
    {
        using var http = fixture.Gateway.Http();
        using var response = await http.SendAsync(method, path, method is "POST" ? new { } : null);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains(fixture.Behind[service].Requests, seen => seen.Is(method, path));
    }

    [Theory]
    [InlineData("GET", "/api/v1/auth/anything", "customers")]
    [InlineData("GET", "/api/v1/customers", "customers")]
    [InlineData("GET", "/api/v1/customers/me", "customers")]
    [InlineData("DELETE", "/api/v1/customers/3", "customers")]
    [InlineData("PUT", "/api/v1/customers/me/password", "customers")]
    [InlineData("POST", "/api/v1/products", "cart")]
    [InlineData("PUT", "/api/v1/products/7", "cart")]
    [InlineData("DELETE", "/api/v1/products/7", "cart")]
    [InlineData("GET", "/api/v1/carts/me", "cart")]
    [InlineData("POST", "/api/v1/carts/3/items", "cart")]
    [InlineData("POST", "/api/v1/carts/3/checkout", "cart")]
    [InlineData("GET", "/api/v1/users", "users")]
    [InlineData("GET", "/api/v1/users/me", "users")]
    [InlineData("PATCH", "/api/v1/users/0190d3a0-0000-7000-8000-000000000001", "users")]
    [InlineData("GET", "/api/v1/todos?limit=3&search=a%20b", "todo")]
    [InlineData("POST", "/api/v1/todos", "todo")]
    [InlineData("GET", "/api/v1/warehouse/items", "warehouse")]
    [InlineData("POST", "/api/v1/warehouse/items/1/stock-adjustments", "warehouse")]
    [InlineData("GET", "/api/v1/accounting/summary?from=2026-01-01", "accounting")]
    [InlineData("GET", "/api/v1/sales/orders", "sales")]
    [InlineData("GET", "/api/v1/sales/sold-items", "sales")]
    [Trait("Covers", "N-28")]
    public async Task A_private_path_needs_a_token_and_reaches_its_service_unchanged(string method, string path, string service)
    {
        using var http = fixture.Gateway.Http();
        var body = method is "POST" or "PUT" or "PATCH" ? new { any = 1 } : null;

        using var refused = await http.SendAsync(method, path, body);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.StartsWith("Bearer", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(fixture.Behind[service].Requests, seen => seen.Is(method, path));

        await http.SendAsync(method, path, body, TestTokens.Customer()).JsonAsync();
        var arrived = Assert.Single(fixture.Behind[service].Requests, seen => seen.Is(method, path));
        Assert.Equal(body is null ? "" : """{"any":1}""", arrived.Body);

    }

    [Theory]
    [InlineData("customers")]
    [InlineData("users")]
    public async Task The_keys_of_both_authorities_are_published(string service)
    {
        using var http = fixture.Gateway.Http(tls: false);
        var set = await http.SendAsync("GET", $"/{service}/.well-known/jwks.json").JsonAsync();
        Assert.Equal("test-1", set.GetProperty("keys")[0].GetProperty("kid").GetString());
    }

    [Theory]
    [InlineData("/.well-known/jwks.json")]
    [InlineData("/cart/.well-known/jwks.json")]
    [InlineData("/customers/health/ready")]
    [InlineData("/health")]
    [InlineData("/health/other")]
    [InlineData("/api/v1")]
    [InlineData("/api/v1/nothing")]
    [InlineData("/api/v1/product")]
    [InlineData("/api/v1/productsandmore")]
    [InlineData("/api/v1/products/%2e%2e/%2e%2e/%2e%2e/openapi/v1.json")]
    [InlineData("/api/v1/products/../../../nothing")]
    [InlineData("/api%2fv1/products")]
    [InlineData("//api/v1/products")]
    [InlineData("/openapi/nothing.json")]
    [InlineData("/openapi/cart.yaml")]
    [InlineData("/customers.v1.TokenValidation/Validate")]
    [InlineData("/grpc.health.v1.Health/Check")]
    [InlineData("/users.v1.Users")]
    public async Task An_unrouted_path_is_not_found_even_with_a_token(string path)
    {
        using var http = fixture.Gateway.Http();
        foreach (var token in new[] { null, TestTokens.User(role: "admin") })
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Get,
                new Uri(http.BaseAddress + path[1..], new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            if (token is not null)
            {
                request.Headers.Authorization = new("Bearer", token);
            }

            var problem = await http.SendAsync(request, TestContext.Current.CancellationToken).ProblemAsync();
            Assert.Equal(HttpStatusCode.NotFound, problem.Status);
            Assert.Contains("/api/v1/products", problem.Detail, StringComparison.Ordinal);
            Assert.Contains("/scalar", problem.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_services_own_health_endpoint_is_unreachable_however_the_path_is_encoded()
    {
        using var http = fixture.Gateway.Http();
        string[] paths =
        [
            "/api/v1/products/..%2f..%2f..%2fhealth/live", "/api/v1/products/%2e%2e%2f%2e%2e%2fhealth", "/api/v1/products/..;/health/ready",
            "/api/v1/products/.%2e/%2e./health/live", "/api/v1/products//health",
        ];
        foreach (var path in paths)
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Get,
                new Uri(http.BaseAddress + path[1..], new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        }

        var arrived =
            fixture.Behind["cart"].Requests.Where(seen => seen.PathAndQuery.Contains("health", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(arrived);
        Assert.All(arrived, seen => Assert.StartsWith("/api/v1/products/", seen.PathAndQuery, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/api/v2/products")]
    [InlineData("/api/v0")]
    public async Task An_unknown_API_version_is_not_found_and_the_answer_names_the_existing_one(string path)
    {
        using var http = fixture.Gateway.Http();
        var problem = await http.SendAsync("GET", path).ProblemAsync();
        Assert.Equal((HttpStatusCode.NotFound, true), (problem.Status, problem.Detail.Contains("/api/v1", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_wrong_verb_on_the_Gateways_own_resources_is_405_with_the_allowed_verbs()
    {
        using var http = fixture.Gateway.Http();
        foreach (var (method, path) in new[]
        {
            ("POST", "/api/v1/overview/orders/1"), ("DELETE", "/"), ("PUT", "/openapi/cart.json"), ("GET", "/users.v1.Users/Login"),
            ("POST", "/health/ready"), ("DELETE", "/health/live"),
        })
        {
            using var response = await http.SendAsync(method, path);
            Assert.Equal(
                (HttpStatusCode.MethodNotAllowed, "application/problem+json"),
                (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
            Assert.NotEmpty(response.Content.Headers.Allow);
        }
    }

    [Theory]
    [InlineData("DELETE", "/api/v1/products", "cart")]
    [InlineData("PATCH", "/api/v1/carts/3", "cart")]
    [InlineData("PUT", "/api/v1/todos", "todo")]
    [InlineData("QUERY", "/api/v1/sales/summary", "sales")]
    public async Task An_unsupported_verb_is_forwarded_to_the_service(string method, string path, string service)
    {
        using var http = fixture.Gateway.Http();
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync(method, path).StatusAsync());
        Assert.Contains(fixture.Behind[service].Requests, seen => seen.Is(method, path));
    }

    [Theory]
    [InlineData(400, false)]
    [InlineData(404, true)]
    [InlineData(431, false)]
    [InlineData(503, true)]
    public async Task An_error_without_a_body_gets_problem_details(int status, bool chunked)
    {
        await using var behind = await FakePlatform.StartAsync();
        behind["cart"].Answer = async context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = "7";
            context.Response.ContentLength = chunked ? null : 0;
            await context.Response.StartAsync(context.RequestAborted);
        };
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        using var response = await http.SendAsync("GET", "/api/v1/products/1");
        var problem = await Task.FromResult(response).ProblemAsync();
        Assert.Equal(((HttpStatusCode)status, "7"), (problem.Status, response.Headers.RetryAfter?.ToString()));
        Assert.NotEmpty(problem.Detail);
        Assert.Equal((HttpStatusCode)status, await http.SendAsync("HEAD", "/api/v1/products/1").StatusAsync());
    }

    [Fact]
    public async Task A_services_answer_is_passed_on_unchanged()
    {
        await using var behind = await FakePlatform.StartAsync();
        behind["cart"].Answer = async context =>
        {
            context.Response.StatusCode = 405;
            context.Response.Headers.Allow = "GET";
            context.Response.Headers.ETag = "\"7\"";
            context.Response.Headers.CacheControl = "private, max-age=3";
            context.Response.ContentType = "application/problem+json";
            await context.Response.Body.WriteAsync("""{"status":405,"detail":"of the service"}"""u8.ToArray());
        };
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        using var response = await http.SendAsync("PATCH", "/api/v1/products/1", new { }, TestTokens.Customer());
        Assert.Equal(
            ("GET", "\"7\"", "max-age=3, private"),
            (response.Content.Headers.Allow.Single(), response.Headers.ETag?.Tag, response.Headers.CacheControl?.ToString()));
        Assert.Equal(
            "of the service",
            JsonDocument.Parse(await response.Content.ReadAsStringAsync(
                TestContext.Current.CancellationToken)).RootElement.GetProperty("detail").GetString());
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
    }

    [Fact]
    public async Task The_token_and_the_path_are_forwarded_and_forged_forwarding_headers_are_replaced()
    {
        using var http = fixture.Gateway.Http();
        var token = TestTokens.Customer("77");
        await http.SendAsync(
            "GET", "/api/v1/carts/77", token: token,
            headers: [
                ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Host", "evil.example"), ("If-Match", "\"3\""), ("Idempotency-Key", "k")
            ]).JsonAsync();
        var seen = Assert.Single(fixture.Behind["cart"].Requests, seen => seen.Is("GET", "/api/v1/carts/77"));
        Assert.Equal($"Bearer {token}", seen.Headers["Authorization"]);
        Assert.Equal(("\"3\"", "k"), (seen.Headers["If-Match"], seen.Headers["Idempotency-Key"]));
        Assert.Equal(
            ("127.0.0.1", fixture.Gateway.HttpsAddress.Authority), (seen.Headers["X-Forwarded-For"], seen.Headers["X-Forwarded-Host"]));
    }
}
