using System.Net;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

[Trait("Speed", "slow")]
public sealed class ForgeryTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Customer = "nonadmin3@email.com";

    public static TheoryData<string> Forgeries => [.. Forgery.All.Keys];

    /// <summary>Values of the header, with the token in place of <c>{0}</c>; empty for no header.</summary>
    public static TheoryData<string> Headers =>
    [
        "", "{0}", "Bearer", "Bearer {0} {0}", "Basic {0}", "Beareraaa {0}", "Bearer{0}", "Bearer: {0}",
    ];

    [Theory]
    [MemberData(nameof(Forgeries))]
    [Trait("Covers", "N-02")]
    public async Task A_forged_token_is_refused_everywhere_and_a_valid_one_is_still_accepted(string forgery)
    {
        var good = await platform.CustomerTokenAsync(Customer);
        var forged = Forgery.All[forgery](await Forgery.CreateAsync(platform, "customers", good));
        Assert.NotEqual(good, forged, StringComparer.Ordinal);
        using var customers = platform.Http("customers");
        using var cart = platform.Http("cart");
        var validation = new TokenValidation.TokenValidationClient(platform.Grpc("customers"));

        foreach (var (http, path) in new[] { (customers, Accounts.Me), (cart, "/api/v1/carts/me") })
        {
            using var refused = await http.SendAsync("GET", path, token: forged);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.StartsWith("Bearer", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        var failure = await Assert.ThrowsAsync<RpcException>(async () =>
            await validation.ValidateAsync(new() { Token = forged }, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.Unauthenticated, failure.StatusCode);

        await AssertGoodAsync(good);
    }

    [Theory]
    [MemberData(nameof(Headers))]
    [Trait("Covers", "N-02")]
    [Trait("Covers", "A-GR-01")]
    [Trait("Covers", "A-GR-02")]
    [Trait("Covers", "A-GR-03")]
    public async Task An_invalid_authorization_header_is_refused_even_with_a_valid_token(string header)
    {
        var good = await platform.CustomerTokenAsync(Customer);
        foreach (var (service, path) in new[] { ("customers", Accounts.Me), ("cart", "/api/v1/carts/me") })
        {
            using var http = platform.Http(service);
            using var refused = header.Length == 0
                ? await http.SendAsync("GET", path)
                : await http.SendAsync(
                    "GET", path,
                    headers: ("Authorization", string.Format(System.Globalization.CultureInfo.InvariantCulture, header, good)));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.StartsWith("Bearer", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
            Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
        }

        await AssertGoodAsync(good);
    }

    [Theory]
    [InlineData("Bearer {0}")]
    [InlineData("bearer {0}")]
    [InlineData("BEARER   {0} ")]
    public async Task The_Bearer_scheme_is_case_insensitive(string header)
    {
        foreach (var (service, path) in new[] { ("customers", Accounts.Me), ("cart", "/api/v1/carts/me") })
        {
            using var http = platform.Http(service);
            var value =
                string.Format(System.Globalization.CultureInfo.InvariantCulture, header, await platform.CustomerTokenAsync(Customer));
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", path, headers: ("Authorization", value)).StatusAsync());
        }
    }

    [Fact]
    public async Task A_token_signed_again_without_a_change_is_accepted() =>
        await AssertGoodAsync((await Forgery.CreateAsync(platform, "customers", await platform.CustomerTokenAsync(Customer))).Make());

    [Fact]
    public async Task A_token_in_the_query_string_is_ignored()
    {
        using var http = platform.Http("customers");
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("GET", $"{Accounts.Me}?access_token={await platform.CustomerTokenAsync(Customer)}").StatusAsync());
    }

    [Fact]
    public async Task A_role_claim_added_to_a_token_is_ignored()
    {
        var token =
            (await Forgery.CreateAsync(platform, "customers", await platform.CustomerTokenAsync(Customer))).Make(p => p["role"] = "admin");
        using var customers = platform.Http("customers");
        using var cart = platform.Http("cart");
        Assert.Equal(HttpStatusCode.Forbidden, await customers.SendAsync("GET", Accounts.Collection, token: token).StatusAsync());
        Assert.Equal(HttpStatusCode.Forbidden, await cart.SendAsync("GET", "/api/v1/carts/1", token: token).StatusAsync());
    }

    private async Task AssertGoodAsync(string token)
    {
        using var customers = platform.Http("customers");
        using var cart = platform.Http("cart");
        Assert.Equal(HttpStatusCode.OK, await customers.SendAsync("GET", Accounts.Me, token: token).StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await cart.SendAsync("GET", "/api/v1/carts/me", token: token).StatusAsync());
        var answer = await new TokenValidation.TokenValidationClient(platform.Grpc("customers"))
            .ValidateAsync(new() { Token = token }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((3, Customer, false), (answer.Customer.Id, answer.Customer.Email, answer.Customer.IsAdmin));
    }
}
