using System.Security.Claims;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Sales;

/// <summary>Who may read orders: staff read all orders, customers read their own.</summary>
internal static class OrderPolicies
{
    /// <summary>Staff, or any customer; the handler limits customers to their own orders.</summary>
    public const string Reader = "order-reader";

    public static void AddOrderPolicies(this IServiceCollection services) => services.AddAuthorizationBuilder()
        .AddPolicy(Reader, policy => policy.RequireAuthenticatedUser().RequireAssertion(context =>
            context.User.IsCustomer()
            || (context.User.HasClaim("iss", Issuers.Users) && (context.User.IsInRole("staff") || context.User.IsInRole("admin")))));

    /// <summary>The orders that the caller may see.</summary>
    public static IQueryable<Order> VisibleTo(this IQueryable<Order> orders, ClaimsPrincipal caller)
    {
        if (!caller.IsCustomer())
        {
            return orders;
        }

        var self = caller.Id();
        return orders.Where(order => order.CustomerId == self);
    }

    // Shop admins count as customers here, because the back office belongs to the staff of Users.
    private static bool IsCustomer(this ClaimsPrincipal caller) => caller.HasClaim("iss", Issuers.Customers);
}
