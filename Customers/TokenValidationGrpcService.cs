using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authentication;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>Answers the other services of the shop: is this token good, and whose is it?</summary>
internal sealed class TokenValidationGrpcService(CustomersDbContext db) : TokenValidation.TokenValidationBase
{
    /// <summary>Verifies the token exactly as a request to this service itself would be, session and all.</summary>
    public override async Task<ValidateResponse> Validate(ValidateRequest request, ServerCallContext context)
    {
        // Identity belongs to this message, so whatever the call itself carried is replaced.
        var http = context.GetHttpContext();
        http.Request.Headers.Authorization = $"Bearer {request.Token}";
        var result = await http.AuthenticateAsync();
        if (!result.Succeeded)
        {
            throw ProblemException.Unauthorized("The token is malformed, forged or expired, or its session has ended.");
        }

        return new() { Customer = await FindAsync(result.Principal.Id(), context.CancellationToken) };
    }

    public override Task<V1.Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context) => FindAsync(request.Id, context.CancellationToken);

    private async Task<V1.Customer> FindAsync(long id, CancellationToken cancellationToken) =>
        await db.Accounts.Where(c => c.Id == id)
            .Select(c => new V1.Customer { Id = c.Id, Email = c.Email, IsAdmin = c.IsAdmin })
            .SingleOrDefaultAsync(cancellationToken)
        ?? throw ProblemException.NotFound("customer", id);
}
