using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Configuration;

namespace MicroPlatform.Tests.Architecture;

/// <summary>
/// Calls every endpoint of every service as every kind of caller. The endpoints come from the running services, the expected access
/// from the rows below. An endpoint without a row fails, and so does a row without an endpoint.
/// </summary>
public sealed class AuthorizationMatrixTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    // A denied caller gets 401 if it is unknown, and 403 if it is known and lacks the right.
    // All gRPC calls of this matrix carry the key of the platform; InternalCallTests makes internal calls without it.
    private enum May
    {
        Anyone,
        Platform,
        Customer,
        ShopAdmin,
        User,
        UsersAdmin,
        Staff,
        StaffOrCustomer,
    }

    private static readonly Dictionary<string, Dictionary<string, May>> Rows = new(StringComparer.Ordinal)
    {
        ["customers"] = new(StringComparer.Ordinal)
        {
            ["GET /.well-known/jwks.json"] = May.Anyone,
            ["POST /api/v1/auth/login"] = May.Anyone,
            ["POST /api/v1/auth/refresh"] = May.Anyone,
            ["POST /api/v1/auth/logout"] = May.Anyone,
            ["POST /api/v1/customers"] = May.Anyone,
            ["GET /api/v1/customers"] = May.ShopAdmin,
            ["GET /api/v1/customers/{customerId}"] = May.Customer,
            ["PATCH /api/v1/customers/{customerId}"] = May.Customer,
            ["DELETE /api/v1/customers/{customerId}"] = May.Customer,
            ["PUT /api/v1/customers/{customerId}/password"] = May.Customer,
            // Internal: not routed by the Gateway.
            ["POST /customers.v1.TokenValidation/Validate"] = May.Platform,
            ["POST /customers.v1.TokenValidation/GetCustomer"] = May.Platform,
        },
        ["cart"] = new(StringComparer.Ordinal)
        {
            ["GET /api/v1/products"] = May.Anyone,
            ["GET /api/v1/products/{id}"] = May.Anyone,
            ["POST /api/v1/products"] = May.ShopAdmin,
            ["PUT /api/v1/products/{id}"] = May.ShopAdmin,
            ["DELETE /api/v1/products/{id}"] = May.ShopAdmin,
            ["GET /api/v1/carts/{customerId}"] = May.Customer,
            ["DELETE /api/v1/carts/{customerId}"] = May.Customer,
            ["POST /api/v1/carts/{customerId}/checkout"] = May.Customer,
            ["DELETE /api/v1/carts/{customerId}/checkout"] = May.Customer,
            ["POST /api/v1/carts/{customerId}/items"] = May.Customer,
            ["PATCH /api/v1/carts/{customerId}/items/{itemId}"] = May.Customer,
            ["DELETE /api/v1/carts/{customerId}/items/{itemId}"] = May.Customer,
        },
        ["users"] = new(StringComparer.Ordinal)
        {
            ["GET /.well-known/jwks.json"] = May.Anyone,
            ["POST /api/v1/users"] = May.Anyone,
            ["POST /api/v1/users/login"] = May.Anyone,
            ["POST /api/v1/users/refresh"] = May.Anyone,
            ["POST /api/v1/users/logout"] = May.Anyone,
            ["GET /api/v1/users/me"] = May.User,
            ["PATCH /api/v1/users/me"] = May.User,
            ["DELETE /api/v1/users/me"] = May.User,
            ["PUT /api/v1/users/me/password"] = May.User,
            ["GET /api/v1/users"] = May.UsersAdmin,
            // Users may also read their own account by id; the id in this test belongs to nobody.
            ["GET /api/v1/users/{id}"] = May.UsersAdmin,
            ["PATCH /api/v1/users/{id}"] = May.UsersAdmin,
            ["POST /users.v1.Users/Register"] = May.Anyone,
            ["POST /users.v1.Users/Login"] = May.Anyone,
            ["POST /users.v1.Users/Refresh"] = May.Anyone,
            ["POST /users.v1.Users/Logout"] = May.User,
            ["POST /users.v1.Users/GetMe"] = May.User,
            ["POST /users.v1.Users/UpdateMe"] = May.User,
            ["POST /users.v1.Users/ChangePassword"] = May.User,
            ["POST /users.v1.Users/DeleteMe"] = May.User,
        },
        ["todo"] = new(StringComparer.Ordinal)
        {
            ["GET /api/v1/todos"] = May.User,
            ["POST /api/v1/todos"] = May.User,
            ["GET /api/v1/todos/{id}"] = May.User,
            ["PUT /api/v1/todos/{id}"] = May.User,
            ["PATCH /api/v1/todos/{id}"] = May.User,
            ["DELETE /api/v1/todos/{id}"] = May.User,
            ["POST /todo.v1.Todos/Create"] = May.User,
            ["POST /todo.v1.Todos/Get"] = May.User,
            ["POST /todo.v1.Todos/Update"] = May.User,
            ["POST /todo.v1.Todos/Delete"] = May.User,
            ["POST /todo.v1.Todos/List"] = May.User,
            ["POST /todo.v1.Todos/Export"] = May.User,
        },
        ["warehouse"] = new(StringComparer.Ordinal)
        {
            ["GET /api/v1/warehouse/items"] = May.Staff,
            ["POST /api/v1/warehouse/items"] = May.Staff,
            ["GET /api/v1/warehouse/items/{id}"] = May.Staff,
            ["PUT /api/v1/warehouse/items/{id}"] = May.Staff,
            ["PATCH /api/v1/warehouse/items/{id}"] = May.Staff,
            ["DELETE /api/v1/warehouse/items/{id}"] = May.Staff,
            ["GET /api/v1/warehouse/items/{itemId}/stock-adjustments"] = May.Staff,
            ["POST /api/v1/warehouse/items/{itemId}/stock-adjustments"] = May.Staff,
            ["GET /api/v1/warehouse/items/{itemId}/stock-adjustments/{id}"] = May.Staff,
            // Internal: not routed by the Gateway.
            ["POST /warehouse.v1.Inventory/BatchGetItems"] = May.Platform,
        },
        ["accounting"] = new(StringComparer.Ordinal)
        {
            ["GET /api/v1/accounting/transactions"] = May.Staff,
            ["POST /api/v1/accounting/transactions"] = May.Staff,
            ["GET /api/v1/accounting/transactions/{id}"] = May.Staff,
            ["PUT /api/v1/accounting/transactions/{id}"] = May.Staff,
            ["DELETE /api/v1/accounting/transactions/{id}"] = May.Staff,
            ["GET /api/v1/accounting/summary"] = May.Staff,
        },
        ["sales"] = new(StringComparer.Ordinal)
        {
            ["GET /api/v1/sales/orders"] = May.StaffOrCustomer,
            ["POST /api/v1/sales/orders"] = May.Staff,
            ["GET /api/v1/sales/orders/{id}"] = May.StaffOrCustomer,
            ["PUT /api/v1/sales/orders/{id}"] = May.Staff,
            ["DELETE /api/v1/sales/orders/{id}"] = May.Staff,
            ["GET /api/v1/sales/sold-items"] = May.Staff,
            ["GET /api/v1/sales/summary"] = May.Staff,
            ["GET /api/v1/sales/dead-letters"] = May.Staff,
            ["POST /api/v1/sales/dead-letters/{id}/retry"] = May.Staff,
            // Internal: Cart calls on behalf of the customer whose token it passes on.
            ["POST /sales.v1.Orders/PlaceOrder"] = May.Customer,
            ["POST /sales.v1.Orders/GiveUpCheckout"] = May.Customer,
            ["POST /sales.v1.Orders/GetOrder"] = May.Customer,
        },
    };

    // Health, documents and reflection are the same everywhere and open everywhere.
    private static readonly string[] Common = ["/health/", "/openapi/", "/grpc.health.v1.", "/grpc.reflection.", "/{**", "/protos"];

    private static readonly Regex Constraint = new(":[^}]+}", RegexOptions.None, TimeSpan.FromSeconds(1));
    private static readonly Regex Parameter = new("{[^}]+}", RegexOptions.None, TimeSpan.FromSeconds(1));

    public static TheoryData<string> Services => [.. Rows.Keys];

    [Fact]
    public void Every_service_behind_the_Gateway_has_rows() => Assert.Equal(
        Rows.Keys.Order(StringComparer.Ordinal),
        platform.Services("gateway")
            .GetRequiredService<IProxyConfigProvider>().GetConfig().Clusters.Select(cluster => cluster.ClusterId.Split('.')[0])
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Services))]
    public void Every_endpoint_has_a_row_and_every_row_has_an_endpoint(string service) =>
        Assert.Equal(
            Rows[service].Keys.Order(StringComparer.Ordinal),
            Endpoints(service).Select(endpoint => endpoint.Name).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Services))]
    [Trait("Covers", "N-02")]
    [Trait("Covers", "N-28")]
    public async Task Protected_endpoints_refuse_missing_and_forged_tokens(string service)
    {
        using var http = platform.Http(service);
        var forgeries = new Dictionary<string, string?>(StringComparer.Ordinal) { ["anonymous"] = null };
        foreach (var authority in new[] { "customers", "users" })
        {
            foreach (var (name, token) in (await Forgery.CreateAsync(
                platform, authority,
                await TokenAsync(authority, admin: true))).Tokens().Where(forgery => !Forgery.KnownToTheAuthority.Contains(forgery.Key)))
            {
                forgeries[$"{authority}: {name}"] = token;
            }
        }

        foreach (var (endpoint, isGrpc) in Endpoints(service).Where(endpoint => !IsOpen(Rows[service][endpoint.Name])))
        {
            foreach (var (name, token) in forgeries)
            {
                var status = await CallAsync(http, endpoint, isGrpc, token, id: "me");
                Assert.True(
                    status == HttpStatusCode.Unauthorized, $"{endpoint} answered {(int)status} to the caller with the token: {name}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    [Trait("Covers", "N-03")]
    public async Task Each_kind_of_account_is_admitted_exactly_where_the_row_allows(string service)
    {
        _ = platform.Services("warehouse"); // starts it first: its start must not count against the deadline of a call
        using var http = platform.Http(service);
        (string Authority, string Name, bool IsAdmin, May[] Rights)[] callers =
        [
            ("customers", "nonadmin3@email.com", false, [May.Anyone, May.Customer, May.StaffOrCustomer]),
            ("customers", "admin1@email.com", true, [May.Anyone, May.Customer, May.ShopAdmin, May.StaffOrCustomer]),
            ("users", "alice", false, [May.Anyone, May.User]),
            ("users", "clerk", false, [May.Anyone, May.User, May.Staff, May.StaffOrCustomer]),
            ("users", "admin", true, [May.Anyone, May.User, May.UsersAdmin, May.Staff, May.StaffOrCustomer]),
        ];
        foreach (var (endpoint, isGrpc) in Endpoints(service))
        {
            var row = Rows[service][endpoint];
            foreach (var (authority, name, _, rights) in callers)
            {
                var token = authority is "customers" ? await platform.CustomerTokenAsync(name) : await platform.UserTokenAsync(name);
                var status = await CallAsync(http, endpoint, isGrpc, token, id: "me");
                var isDenied = status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
                var refusal = IsKnown(authority) ? HttpStatusCode.Forbidden : HttpStatusCode.Unauthorized;
                // An open endpoint may still refuse the credentials in the body.
                Assert.True(
                    IsOpen(row) || (rights.Contains(row) ? !isDenied : status == refusal),
                    $"{endpoint} ({row}) answered {(int)status} to {name}");
                Assert.True((int)status < 500, $"{endpoint} answered {(int)status} to {name}");
            }
        }

        // Sales accepts the tokens of both authorities.
        bool IsKnown(string authority) => service is "sales" || (authority is "customers") == (service is "customers" or "cart");
    }

    [Theory]
    [InlineData("customers")]
    [InlineData("cart")]
    [Trait("Covers", "N-05")]
    [Trait("Covers", "A-UD-07")]
    public async Task A_customer_may_not_access_the_resources_of_another_customer(string service)
    {
        using var http = platform.Http(service);
        var token = await platform.CustomerTokenAsync("nonadmin3@email.com");
        foreach (var (endpoint, isGrpc) in Endpoints(service).Where(endpoint => Rows[service][endpoint.Name] == May.Customer))
        {
            Assert.True(await CallAsync(http, endpoint, isGrpc, token, id: "4") == HttpStatusCode.Forbidden, endpoint);
        }
    }

    /// <summary>Whether the call needs no token.</summary>
    private static bool IsOpen(May row) => row is May.Anyone or May.Platform;

    private Task<string> TokenAsync(string authority, bool admin) => authority is "customers"
        ? platform.CustomerTokenAsync(admin ? "admin1@email.com" : "nonadmin3@email.com")
        : platform.UserTokenAsync(admin ? "admin" : "alice");

    private IEnumerable<(string Name, bool IsGrpc)> Endpoints(string service) =>
        from endpoint in platform.Services(service).GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints)
            .OfType<RouteEndpoint>()
        let path = Constraint.Replace("/" + endpoint.RoutePattern.RawText!.Trim('/'), "}")
        where !Common.Any(prefix => path.StartsWith(prefix, StringComparison.Ordinal))
            && !path.Contains("{unimplemented", StringComparison.Ordinal)
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]
        where method is not "HEAD"
        select ($"{method} {path}", path.Contains(".v1.", StringComparison.Ordinal));

    /// <summary>Sends an invalid body and a precondition that fails, so that an admitted call changes nothing.</summary>
    private static async Task<HttpStatusCode> CallAsync(HttpClient http, string endpoint, bool isGrpc, string? token, string id)
    {
        var (method, pattern) = (endpoint.Split(' ')[0], endpoint.Split(' ')[1]);
        var path = pattern
            .Replace("{customerId}", id, StringComparison.Ordinal)
            .Replace("/users/{id}", $"/users/{Guid.Empty}", StringComparison.Ordinal);
        path = Parameter.Replace(path, "987654321");
        using var request = new HttpRequestMessage(new(method), path);
        request.Headers.TryAddWithoutValidation("If-Match", "\"0\"");
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        if (isGrpc)
        {
            request.Version = HttpVersion.Version20;
            request.Headers.TryAddWithoutValidation(InternalCalls.HeaderName, TestPlatform.InternalCallKey);
            // One byte that is not a message: the service refuses it only after it has authorized the caller.
            request.Content = new ByteArrayContent([0, 0, 0, 0, 1, 0xFF]);
            request.Content.Headers.ContentType = new("application/grpc");
        }
        else if (method is "POST" or "PUT" or "PATCH")
        {
            request.Content = new StringContent("{\"nothing\":0}", System.Text.Encoding.UTF8, "application/json");
        }

        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        if (!isGrpc)
        {
            return response.StatusCode;
        }

        await response.Content.LoadIntoBufferAsync(TestContext.Current.CancellationToken);
        var status = response.Headers.TryGetValues("grpc-status", out var header)
            || response.TrailingHeaders.TryGetValues("grpc-status", out header)
            ? header.Single()
            : "2";
        return status switch
        {
            "16" => HttpStatusCode.Unauthorized,
            "7" => HttpStatusCode.Forbidden,
            "2" or "13" => HttpStatusCode.InternalServerError,
            _ => HttpStatusCode.OK,
        };
    }
}
