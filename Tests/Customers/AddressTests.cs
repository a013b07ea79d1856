using System.Net;
using System.Text;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Customers;

/// <summary>Failed sign-ins count for each address, and for all addresses together.</summary>
public sealed class AddressTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task Ten_failed_sign_ins_block_only_the_address_that_made_them()
    {
        var account = await platform.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(account.Email, "wrongPass123", "203.0.113.9"));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await LoginAsync(account.Email, TestPlatform.Password, "203.0.113.9"));
        Assert.Equal(HttpStatusCode.OK, await LoginAsync(account.Email, TestPlatform.Password, "198.51.100.7"));
        // The owner's sign-in from another address does not reset the attacker's failures.
        Assert.Equal(HttpStatusCode.TooManyRequests, await LoginAsync(account.Email, TestPlatform.Password, "203.0.113.9"));
    }

    [Fact]
    public async Task A_hundred_failures_from_many_addresses_block_sign_in_from_every_address()
    {
        var account = await platform.RegisterAsync();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(account.Email, "wrongPass123", $"203.0.113.{i}"));
        }

        using var refused = await http.SendAsync("POST", Accounts.Login, new { email = account.Email, password = TestPlatform.Password },
            headers: ("X-Forwarded-For", "198.51.100.7"));
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 900);
    }

    [Fact]
    public async Task An_IPv6_network_counts_as_one_address()
    {
        var account = await platform.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(account.Email, "wrongPass123", $"2001:db8:0:1::{i:x}"));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await LoginAsync(account.Email, TestPlatform.Password, "2001:db8:0:1:ffff::1"));
        Assert.Equal(HttpStatusCode.OK, await LoginAsync(account.Email, TestPlatform.Password, "2001:db8:0:2::1"));
    }

    [Theory]
    [InlineData("10.1.2.3", HttpStatusCode.Unauthorized)]
    [InlineData("::ffff:127.0.0.1", HttpStatusCode.Unauthorized)]
    [InlineData("192.0.2.1", HttpStatusCode.TooManyRequests)]
    public async Task A_forwarded_address_counts_only_from_an_internal_peer(string peer, HttpStatusCode eleventh)
    {
        var account = await platform.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await FromAsync($"203.0.113.{i}"));
        }

        Assert.Equal(eleventh, await FromAsync("203.0.113.10"));

        async Task<HttpStatusCode> FromAsync(string forwarded)
        {
            var server = (TestServer)platform.Services("customers").GetRequiredService<IServer>();
            var answer = await server.SendAsync(context =>
            {
                context.Connection.RemoteIpAddress = IPAddress.Parse(peer);
                (context.Request.Method, context.Request.Path, context.Request.ContentType) = ("POST", Accounts.Login, "application/json");
                context.Request.Headers["X-Forwarded-For"] = forwarded;
                var body = Encoding.UTF8.GetBytes($$"""{"email":"{{account.Email}}","password":"wrongPass123"}""");
                context.Features.Set<IHttpRequestBodyDetectionFeature>(new HasBody());
                (context.Request.Body, context.Request.ContentLength) = (new MemoryStream(body), body.Length);
            });
            return (HttpStatusCode)answer.Response.StatusCode;
        }
    }

    private Task<HttpStatusCode> LoginAsync(string email, string password, string from) =>
        http.SendAsync("POST", Accounts.Login, new { email, password }, headers: ("X-Forwarded-For", from)).StatusAsync();

    private sealed class HasBody : IHttpRequestBodyDetectionFeature
    {
        public bool CanHaveBody => true;
    }
}
