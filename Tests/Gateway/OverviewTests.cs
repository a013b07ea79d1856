using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The overview of one order from four real services, also when one of them is down.</summary>
[Trait("Speed", "slow")]
public sealed class OverviewTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Order1 = "/api/v1/overview/orders/1";

    [Fact]
    public async Task Staff_see_an_order_with_its_items_transactions_and_customer()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var overview = await http.SendAsync("GET", Order1, token: await platform.UserTokenAsync("clerk")).JsonAsync();
        var order = overview.GetProperty("order");
        Assert.Equal((1, "Confirmed"), (order.GetProperty("id").GetInt64(), order.GetProperty("status").GetString()));
        Assert.Equal("150.00", order.GetProperty("total").GetRawText());

        var lines = order.GetProperty("items").EnumerateArray().Select(line => line.GetProperty("itemId").GetInt64());
        var items = overview.GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(lines.Order(), items.Select(item => item.GetProperty("id").GetInt64()));
        Assert.All(
            items, item => Assert.True(item.GetProperty("name").GetString()!.Length > 0 && item.GetProperty("quantity").GetInt64() >= 0));

        Assert.Equal("150.00", Assert.Single(overview.GetProperty("transactions").EnumerateArray()).GetProperty("sum").GetRawText());
        var customer = overview.GetProperty("customer");
        Assert.Equal(order.GetProperty("customerId").GetInt64(), customer.GetProperty("id").GetInt64());
        Assert.Contains('@', customer.GetProperty("email").GetString()!);
        Assert.Empty(overview.GetProperty("unavailable").EnumerateArray());
    }

    [Theory]
    [InlineData("warehouse", "items")]
    [InlineData("accounting", "transactions")]
    [InlineData("customers", "customer")]
    public async Task A_service_that_is_down_is_named_and_the_rest_of_the_overview_is_shown(string service, string part)
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var token = await platform.UserTokenAsync("clerk");
        await platform.StopAsync(service);
        try
        {
            var overview = await http.SendAsync("GET", Order1, token: token).JsonAsync();
            Assert.Equal(service, Assert.Single(overview.GetProperty("unavailable").EnumerateArray()).GetString());
            foreach (var name in new[] { "order", "items", "transactions", "customer" })
            {
                Assert.Equal(
                    string.Equals(name, part, StringComparison.Ordinal), overview.GetProperty(name).ValueKind is JsonValueKind.Null);
            }
        }
        finally
        {
            platform.Restart(service);
        }

        Assert.Empty((await http.SendAsync("GET", Order1, token: token).JsonAsync()).GetProperty("unavailable").EnumerateArray());
    }

    [Fact]
    public async Task Without_Sales_the_overview_is_503()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var token = await platform.UserTokenAsync("clerk");
        await platform.StopAsync("sales");
        try
        {
            var problem = await http.SendAsync("GET", Order1, token: token).ProblemAsync();
            Assert.Equal(
                (HttpStatusCode.ServiceUnavailable, "The sales service does not answer; try again shortly."),
                (problem.Status, problem.Detail));
        }
        finally
        {
            platform.Restart("sales");
        }
    }

    [Fact]
    public async Task A_deleted_customer_is_null_and_no_service_is_reported_as_unavailable()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var staff = await platform.UserTokenAsync("clerk");
        var order = await http.SendAsync(
            "POST", "/api/v1/sales/orders", new { customerId = 4, items = new[] { new { itemId = 1, quantity = 1 } } },
            staff).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(
            HttpStatusCode.NoContent,
            await http.SendAsync("DELETE", "/api/v1/customers/4", token: await platform.CustomerTokenAsync("admin1@email.com"))
                .StatusAsync());
        var overview = await http.SendAsync("GET", $"/api/v1/overview/orders/{order.GetProperty("id").GetInt64()}", token: staff)
            .JsonAsync();
        Assert.Equal(
            (JsonValueKind.Null, 0), (overview.GetProperty("customer").ValueKind, overview.GetProperty("unavailable").GetArrayLength()));
    }

    [Fact]
    public async Task An_unknown_order_is_404_and_only_staff_may_see_an_overview()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        foreach (var id in new[] { "999999", "0", "-1", "9223372036854775808", "abc" })
        {
            Assert.Equal(
                HttpStatusCode.NotFound,
                (await http.SendAsync(
                    "GET", $"/api/v1/overview/orders/{id}", token: await platform.UserTokenAsync("admin")).ProblemAsync()).Status);
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await http.SendAsync("GET", Order1).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync("GET", Order1, token: await platform.UserTokenAsync("alice")).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync("GET", Order1, token: await platform.CustomerTokenAsync("admin1@email.com")).ProblemAsync()).Status);
    }
}

/// <summary>How the Gateway gathers an overview, in front of fakes that count requests.</summary>
[Trait("Speed", "slow")]
public sealed class OverviewGatheringTests
{
    [Fact]
    public async Task For_an_unknown_order_only_Sales_is_called()
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind);
        using var http = gateway.Http();
        behind["sales"].Refuse(StatusCodes.Status404NotFound);
        var answer = http.SendAsync("GET", "/api/v1/overview/orders/7", token: TestTokens.User(role: "staff"));
        Assert.Equal(HttpStatusCode.NotFound, (await answer.ProblemAsync()).Status);
        Assert.Single(behind["sales"].Requests);
        Assert.All(["accounting", "warehouse", "customers"], service => Assert.Empty(behind[service].Requests));
    }
}
