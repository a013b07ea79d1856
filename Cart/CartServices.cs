using System.ComponentModel;
using System.Security.Claims;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Mvc;

namespace MicroPlatform.Cart;

/// <summary>The cart that a path names, and the services that its handlers use.</summary>
internal readonly record struct CartServices
{
    [FromRoute(Name = "customerId"), Description("A customer's id, or `me` for the caller.")]
    public required string CustomerId { get; init; }

    public required ClaimsPrincipal Caller { get; init; }

    public required CartDbContext Db { get; init; }

    public required TokenValidation.TokenValidationClient Customers { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>The customer whose cart it is: the caller, or, if the caller is an admin, any existing customer.</summary>
    /// <exception cref="ProblemException">404 when there is no such customer.</exception>
    public async Task<long> OwnerAsync(CancellationToken cancellationToken)
    {
        var id = Caller.CustomerId(CustomerId, "cart");
        if (id == Caller.Id())
        {
            return id;
        }

        try
        {
            return (await Customers.GetCustomerAsync(new() { Id = id }, cancellationToken: cancellationToken)).Id;
        }
        catch (RpcException failure) when (failure.StatusCode is StatusCode.NotFound)
        {
            throw ProblemException.NotFound("customer", id);
        }
    }
}
