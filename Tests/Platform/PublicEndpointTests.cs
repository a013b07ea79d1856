using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// Every endpoint that is open to anyone declares it and is in this list, so that none is opened by accident.
/// </summary>
[Trait("Speed", "slow")]
public sealed class PublicEndpointTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private static readonly string[] OfEveryService =
    [
        "GET /health/live", "GET /health/ready", "GET /openapi/{documentName}.json",
        "HEAD /health/live", "HEAD /health/ready", "HEAD /openapi/{documentName}.json",
    ];

    public static TheoryData<string, string[]> Public => new()
    {
        {
            "customers",
            [
                "GET /.well-known/jwks.json",
                "HEAD /.well-known/jwks.json",
                "POST /api/v1/auth/login",
                "POST /api/v1/auth/logout",
                "POST /api/v1/auth/refresh",
                "POST /api/v1/customers/",
            ]
        },
        {
            "cart", ["GET /api/v1/products/", "GET /api/v1/products/{id:long}", "HEAD /api/v1/products/", "HEAD /api/v1/products/{id:long}"]
        },
    };

    [Theory]
    [MemberData(nameof(Public))]
    [Trait("Covers", "A-WL-01")]
    [Trait("Covers", "A-WL-02")]
    public void Exactly_these_endpoints_are_open_to_anyone(string service, string[] expected) => Assert.Equal(
        expected.Concat(OfEveryService).Order(StringComparer.Ordinal),
        Endpoints(service).Where(endpoint => endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null).SelectMany(Names)
            .Order(StringComparer.Ordinal),
        StringComparer.Ordinal);

    [Theory]
    [InlineData("customers")]
    [InlineData("cart")]
    [Trait("Covers", "A-WL-01")]
    [Trait("Covers", "A-WL-02")]
    public void Every_other_endpoint_names_a_policy(string service) => Assert.All(
        Endpoints(service).Where(endpoint => endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null),
        endpoint => Assert.Contains(endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>(), data => data.Policy is not null));

    /// <summary>All endpoints except those of gRPC itself: health, reflection in development, and the answer to unknown methods.</summary>
    private IEnumerable<RouteEndpoint> Endpoints(string service) =>
        platform.Services(service).GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Where(endpoint =>
            endpoint.RoutePattern.RawText is { } path
                && !path.StartsWith("/grpc.", StringComparison.Ordinal)
                && !path.Contains("{unimplemented", StringComparison.Ordinal));

    private static IEnumerable<string> Names(RouteEndpoint endpoint) =>
        (endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"])
            .Select(method => $"{method} /{endpoint.RoutePattern.RawText!.TrimStart('/')}");
}
