using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>Tells the other services of the shop whether a token is valid and whose it is.</summary>
internal sealed class TokenValidationGrpcService(CustomersDbContext db, SignIn signIn) : TokenValidation.TokenValidationBase
{
    /// <summary>Verifies the token as if it came with a request to this service, session included.</summary>
    [Reads]
    public override async Task<ValidateResponse> Validate(ValidateRequest request, ServerCallContext context) =>
        await signIn.FindAccountAsync(request.Token, context.CancellationToken) is { } customer
            ? new() { Customer = MessageOf(customer) }
            : throw ProblemException.Unauthorized("The token is malformed, forged or expired, or its session has ended.");

    [Reads]
    public override async Task<V1.Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context) =>
        await db.Accounts.AsNoTracking().SingleOrDefaultAsync(c => c.Id == request.Id, context.CancellationToken) is { } customer
            ? MessageOf(customer)
            : throw ProblemException.NotFound("customer", request.Id);

    private static V1.Customer MessageOf(Customer customer) =>
        new() { Id = customer.Id, Email = customer.Email, IsAdmin = customer.IsAdmin };
}
