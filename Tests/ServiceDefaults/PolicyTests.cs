using System.Security.Claims;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authorization;
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
    public async Task A_policy_looks_at_who_gave_the_role(string policy, string issuer, string role, bool isAllowed)
    {
        var services = new ServiceCollection().AddLogging();
        services.AddPolicies();
        await using var provider = services.BuildServiceProvider();
        var caller = new ClaimsPrincipal(
            new ClaimsIdentity([new("iss", issuer), new("sub", "1"), new("role", role)], "test", "sub", "role"));

        Assert.Equal(isAllowed, (await provider.GetRequiredService<IAuthorizationService>()
            .AuthorizeAsync(caller, resource: null, policy)).Succeeded);
    }

    [Fact]
    public void An_admin_of_Users_is_no_admin_of_the_shop()
    {
        var caller = new ClaimsPrincipal(
            new ClaimsIdentity([new("iss", Issuers.Users), new("sub", "1"), new("role", "admin")], "test", "sub", "role"));
        Assert.False(caller.IsShopAdmin());
        Assert.Equal(403, Assert.Throws<ProblemException>(() => caller.SelfOrAdmin("2", "cart")).Status);
    }
}
