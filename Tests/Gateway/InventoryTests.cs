using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Gateway;

/// <summary>Lists everything that can be reached from outside, so that nothing is added by accident.</summary>
public sealed class InventoryTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    [Fact]
    public void Exactly_these_endpoints_are_open_to_anyone() => Assert.Equal(
        [
            "ANY /api/v1/accounting/summary",
            "ANY /api/v1/accounting/transactions",
            "ANY /api/v1/accounting/transactions/{id}",
            "ANY /api/v1/auth/login",
            "ANY /api/v1/auth/logout",
            "ANY /api/v1/auth/refresh",
            "ANY /api/v1/carts/{id}",
            "ANY /api/v1/carts/{id}/checkout",
            "ANY /api/v1/carts/{id}/items",
            "ANY /api/v1/carts/{id}/items/{itemId}",
            "ANY /api/v1/customers/",
            "ANY /api/v1/customers/{id}",
            "ANY /api/v1/customers/{id}/password",
            "ANY /api/v1/products/",
            "ANY /api/v1/products/{id}",
            "ANY /api/v1/products/{id}/{**rest}",
            "ANY /api/v1/sales/dead-letters",
            "ANY /api/v1/sales/dead-letters/{id}/retry",
            "ANY /api/v1/sales/orders",
            "ANY /api/v1/sales/orders/{id}",
            "ANY /api/v1/sales/sold-items",
            "ANY /api/v1/sales/summary",
            "ANY /api/v1/todos/",
            "ANY /api/v1/todos/{id}",
            "ANY /api/v1/users/",
            "ANY /api/v1/users/login",
            "ANY /api/v1/users/logout",
            "ANY /api/v1/users/me",
            "ANY /api/v1/users/me/password",
            "ANY /api/v1/users/refresh",
            "ANY /api/v1/users/{id}",
            "ANY /api/v1/warehouse/items",
            "ANY /api/v1/warehouse/items/{id}",
            "ANY /api/v1/warehouse/items/{itemId}/stock-adjustments",
            "ANY /api/v1/warehouse/items/{itemId}/stock-adjustments/{id}",
            "GET /",
            "GET /customers/.well-known/jwks.json",
            "GET /health/live",
            "GET /health/ready",
            "GET /health/services/",
            "GET /health/services/stream",
            "GET /openapi/accounting.json",
            "GET /openapi/cart.json",
            "GET /openapi/customers.json",
            "GET /openapi/sales.json",
            "GET /openapi/todo.json",
            "GET /openapi/users.json",
            "GET /openapi/warehouse.json",
            "GET /openapi/{documentName:regex(^gateway$)}.json",
            "GET /pages/home.js",
            "GET /pages/icon.svg",
            "GET /pages/scalar.js",
            "GET /pages/session.js",
            "GET /pages/style.css",
            "GET /protos",
            "GET /protos/{file}",
            "GET /scalar/favicon.svg",
            "GET /scalar/scalar.aspnetcore.js",
            "GET /scalar/scalar.js",
            "GET /scalar/{documentName?}",
            "GET /users/.well-known/jwks.json",
            "OPTIONS /api/v1/accounting/{**rest}",
            "OPTIONS /api/v1/auth/{**rest}",
            "OPTIONS /api/v1/carts/{**rest}",
            "OPTIONS /api/v1/customers/{**rest}",
            "OPTIONS /api/v1/products/{**rest}",
            "OPTIONS /api/v1/sales/{**rest}",
            "OPTIONS /api/v1/todos/{**rest}",
            "OPTIONS /api/v1/users/{**rest}",
            "OPTIONS /api/v1/warehouse/{**rest}",
            "POST /api/v1/customers/",
            "POST /api/v1/users/",
            "POST /users.v1.Users/Login",
            "POST /users.v1.Users/Refresh",
            "POST /users.v1.Users/Register",
        ],
        Names(open: true), StringComparer.Ordinal);

    [Fact]
    public void Exactly_these_endpoints_need_a_token() => Assert.Equal(
        [
            "ANY /api/v1/accounting/{**rest}",
            "ANY /api/v1/auth/{**rest}",
            "ANY /api/v1/carts/{**rest}",
            "ANY /api/v1/customers/{**rest}",
            "ANY /api/v1/products/{**rest}",
            "ANY /api/v1/sales/{**rest}",
            "ANY /api/v1/todos/{**rest}",
            "ANY /api/v1/users/{**rest}",
            "ANY /api/v1/warehouse/{**rest}",
            "GET /api/v1/accounting/summary",
            "GET /api/v1/customers/",
            "GET /api/v1/overview/board/",
            "GET /api/v1/overview/board/stream",
            "GET /api/v1/overview/orders/{id:long}/",
            "GET /api/v1/sales/dead-letters",
            "GET /api/v1/sales/sold-items",
            "GET /api/v1/sales/summary",
            "GET /api/v1/users/",
            "GET /api/v1/warehouse/items/{itemId}/stock-adjustments/{id}",
            "GET,DELETE /api/v1/carts/{id}",
            "GET,PATCH /api/v1/users/{id}",
            "GET,PATCH,DELETE /api/v1/customers/{id}",
            "GET,PATCH,DELETE /api/v1/users/me",
            "GET,POST /api/v1/accounting/transactions",
            "GET,POST /api/v1/sales/orders",
            "GET,POST /api/v1/todos/",
            "GET,POST /api/v1/warehouse/items",
            "GET,POST /api/v1/warehouse/items/{itemId}/stock-adjustments",
            "GET,PUT,DELETE /api/v1/accounting/transactions/{id}",
            "GET,PUT,DELETE /api/v1/sales/orders/{id}",
            "GET,PUT,PATCH,DELETE /api/v1/todos/{id}",
            "GET,PUT,PATCH,DELETE /api/v1/warehouse/items/{id}",
            "PATCH,DELETE /api/v1/carts/{id}/items/{itemId}",
            "POST /api/v1/carts/{id}/items",
            "POST /api/v1/products/",
            "POST /api/v1/sales/dead-letters/{id}/retry",
            "POST /todo.v1.Todos/{method}",
            "POST /users.v1.Users/{method}",
            "POST,DELETE /api/v1/carts/{id}/checkout",
            "PUT /api/v1/customers/{id}/password",
            "PUT /api/v1/users/me/password",
            "PUT,DELETE /api/v1/products/{id}",
        ],
        Names(open: false), StringComparer.Ordinal);

    [Fact]
    public async Task A_route_without_a_service_stops_the_start_with_one_line_that_names_the_missing_setting()
    {
        var (exitCode, output, error) = await Programs.RunAsync(
            new(
                "dotnet",
                [
                    "Gateway.dll", "--services:customers:http:0=http://127.0.0.1:1", "--services:users:http:0=http://127.0.0.1:1",
                    "--Logging:LogLevel:Default=None",
                ])
            { WorkingDirectory = AppContext.BaseDirectory });
        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        Assert.Equal(
            "The setting services:cart:http:0 is missing: give the address of the http endpoint of the service cart, such as "
                + "http://cart:8080; /api/v1/products leads there.",
            error);
    }

    private IEnumerable<string> Names(bool open) =>
        fixture.Gateway.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Where(endpoint => endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null == open)
        .Select(endpoint => $"{Verbs(endpoint)} /{endpoint.RoutePattern.RawText!.TrimStart('/')}")
        .Order(StringComparer.Ordinal);

    /// <summary>The verbs of an endpoint without HEAD, which every GET implies.</summary>
    private static string Verbs(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetMetadata<IHttpMethodMetadata>() is { } verbs
            ? string.Join(',', verbs.HttpMethods.Where(verb => verb is not "HEAD"))
            : "ANY";
}
