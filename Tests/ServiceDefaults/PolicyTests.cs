using System.Security.Claims;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>A role counts only from the authority that the policy means, also in a service that accepts both.</summary>
public sealed class PolicyTests
{
    [Theory]
    [InlineData(Policies.Customer, Issuers.Customers, "customer", true)]
    [InlineData(Policies.Customer, Issuers.Users, "admin", false)]
    [InlineData(Policies.ShopAdmin, Issuers.Customers, "admin", true)]
    [InlineData(Policies.ShopAdmin, Issuers.Customers, "customer", false)]
    [InlineData(Policies.ShopAdmin, Issuers.Users, "admin", false)]
    [InlineData(Policies.User, Issuers.Users, "user", true)]
    [InlineData(Policies.User, Issuers.Customers, "admin", false)]
    [InlineData(Policies.Staff, Issuers.Users, "staff", true)]
    [InlineData(Policies.Staff, Issuers.Users, "user", false)]
    [InlineData(Policies.Staff, Issuers.Customers, "admin", false)]
    [InlineData(Policies.Admin, Issuers.Users, "admin", true)]
    [InlineData(Policies.Admin, Issuers.Users, "staff", false)]
    [InlineData(Policies.Admin, Issuers.Customers, "admin", false)]
    [Trait("Covers", "N-03")]
    public async Task A_policy_checks_the_issuer_of_the_role(string policy, string issuer, string role, bool isAllowed) =>
        Assert.Equal(isAllowed, await IsAllowedAsync(policy, Caller(issuer, role), resource: null));

    [Theory]
    [InlineData(Issuers.Customers, "customer", "1", true)]
    [InlineData(Issuers.Customers, "customer", "2", false)]
    [InlineData(Issuers.Customers, "admin", "2", true)]
    [InlineData(Issuers.Users, "admin", "1", false)]
    [InlineData(Issuers.Users, "admin", "2", false)]
    [Trait("Covers", "N-03")]
    public async Task A_path_of_a_customer_is_open_to_that_customer_and_to_admins_of_the_shop(
        string issuer, string role, string path, bool isAllowed)
    {
        var request = new DefaultHttpContext();
        request.Request.RouteValues["customerId"] = path;

        Assert.Equal(isAllowed, await IsAllowedAsync(Policies.Customer, Caller(issuer, role), request));
    }

    [Fact]
    public void An_admin_of_Users_is_not_an_admin_of_the_shop() => Assert.False(Caller(Issuers.Users, "admin").IsShopAdmin());

    private static ClaimsPrincipal Caller(string issuer, string role) =>
        new(new ClaimsIdentity([new("iss", issuer), new("sub", "1"), new("role", role)], "test", "sub", "role"));

    private static async Task<bool> IsAllowedAsync(string policy, ClaimsPrincipal caller, object? resource)
    {
        var services = new ServiceCollection().AddLogging();
        services.AddPolicies();
        await using var provider = services.BuildServiceProvider();
        return (await provider.GetRequiredService<IAuthorizationService>().AuthorizeAsync(caller, resource, policy)).Succeeded;
    }
}
