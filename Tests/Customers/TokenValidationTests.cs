using Grpc.Core;
using Grpc.Health.V1;
using MicroPlatform.Customers.V1;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class TokenValidationTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly TokenValidation.TokenValidationClient client = new(platform.Grpc("customers"));

    [Fact]
    public async Task A_valid_token_identifies_its_customer()
    {
        var account = await platform.RegisterAsync(isAdmin: true);
        var customer = (await client.ValidateAsync(
            new() { Token = account.AccessToken }, cancellationToken: TestContext.Current.CancellationToken)).Customer;
        Assert.Equal((account.Id, account.Email, true), (customer.Id, customer.Email, customer.IsAdmin));
    }

    [Fact]
    public async Task The_token_in_the_message_is_validated_instead_of_the_callers_token()
    {
        var (caller, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        var asCaller = new Metadata { { "authorization", "Bearer " + caller.AccessToken } };
        Assert.Equal(
            other.Id,
            (await client.ValidateAsync(
                new() { Token = other.AccessToken }, asCaller, cancellationToken: TestContext.Current.CancellationToken)).Customer.Id);
        Assert.Equal(
            StatusCode.Unauthenticated,
            await StatusAsync(() =>
                client.ValidateAsync(new() { Token = "made-up" }, asCaller, cancellationToken: TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("a b")]
    [InlineData("Bearer")]
    [InlineData("a\r\nX-Injected: 1")]
    [InlineData("ünïcode")]
    [Trait("Covers", "N-02")]
    public async Task A_malformed_token_is_unauthenticated(string token) =>
        Assert.Equal(
            StatusCode.Unauthenticated,
            await StatusAsync(() =>
                client.ValidateAsync(new() { Token = token }, cancellationToken: TestContext.Current.CancellationToken)));

    [Fact]
    public async Task GetCustomer_returns_a_customer_by_id_or_not_found()
    {
        var account = await platform.RegisterAsync();
        var customer = await client.GetCustomerAsync(new() { Id = account.Id }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((account.Email, false), (customer.Email, customer.IsAdmin));
        foreach (var id in new[] { 0, -1, long.MaxValue })
        {
            Assert.Equal(
                StatusCode.NotFound,
                await StatusAsync(() =>
                    client.GetCustomerAsync(new() { Id = id }, cancellationToken: TestContext.Current.CancellationToken)));
        }
    }

    [Fact]
    public async Task The_health_service_answers()
    {
        var health = await new Health.HealthClient(platform.Grpc("customers", key: null))
            .CheckAsync(new(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, health.Status);
    }

    private static async Task<StatusCode> StatusAsync<T>(Func<AsyncUnaryCall<T>> call) =>
        (await Assert.ThrowsAsync<RpcException>(async () => await call())).StatusCode;
}
