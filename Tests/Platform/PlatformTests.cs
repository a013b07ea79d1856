using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>Tests of the platform as a whole.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class PlatformTests(RunningPlatform platform)
{
    [Fact]
    public async Task The_gateway_is_ready_over_HTTP_and_HTTPS()
    {
        using var https = platform.Https();
        using var http = platform.Http();

        Assert.Equal(HttpStatusCode.OK, await https.SendAsync("GET", "/health/ready").StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", "/health/ready").StatusAsync());
    }

    [Fact]
    public async Task The_gateway_speaks_http_2_over_tls()
    {
        using var https = platform.Https();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health/ready")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var response = await https.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_demo_customer_logs_in_and_fills_a_cart_through_the_gateway()
    {
        using var https = platform.Https();
        var login = await https.SendAsync(
            "POST", "/api/v1/auth/login", new { email = "nonadmin3@email.com", password = TestPlatform.Password }).JsonAsync();
        var token = login.GetProperty("accessToken").GetString();
        var product = (await https.SendAsync("GET", "/api/v1/products?limit=1").JsonAsync()).GetProperty("items")[0];
        await https.SendAsync("DELETE", "/api/v1/carts/me", token: token).StatusAsync();

        var cart = await https.SendAsync(
            "POST", "/api/v1/carts/me/items", new { productId = product.GetProperty("id").GetInt64(), quantity = 2 },
            token).JsonAsync(HttpStatusCode.Created);

        Assert.Contains(cart.GetProperty("items").EnumerateArray(), item =>
            item.GetProperty("productId").GetInt64() == product.GetProperty("id").GetInt64()
                && item.GetProperty("quantity").GetInt32() == 2);
    }

    [Fact]
    public async Task A_demo_user_logs_in_through_the_gateway()
    {
        using var https = platform.Https();
        var login = await https.SendAsync("POST", "/api/v1/users/login", new { username = "alice", password = TestPlatform.Password })
            .JsonAsync();

        var me = await https.SendAsync("GET", "/api/v1/users/me", token: login.GetProperty("accessToken").GetString()).JsonAsync();

        Assert.Equal("alice", me.GetProperty("username").GetString());
    }
}
