using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>Answers the other services of the shop: is this token good, and whose is it?</summary>
internal sealed class TokenValidationGrpcService(CustomersDbContext db, IServiceScopeFactory scopes) : TokenValidation.TokenValidationBase
{
    /// <summary>Verifies the token exactly as a request to this service itself would be, session and all.</summary>
    [Reads]
    public override async Task<ValidateResponse> Validate(ValidateRequest request, ServerCallContext context)
    {
        // Identity belongs to this message. The call's own has been looked at already and is remembered, so the token gets a context of its own.
        await using var scope = scopes.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider, RequestAborted = context.CancellationToken };
        http.Request.Headers.Authorization = $"Bearer {request.Token}";
        var result = await http.AuthenticateAsync();
        return result.Succeeded
            ? new() { Customer = MessageOf(http.Features.GetRequiredFeature<Customer>()) }
            : throw ProblemException.Unauthorized("The token is malformed, forged or expired, or its session has ended.");
    }

    [Reads]
    public override async Task<V1.Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context) =>
        await db.Accounts.AsNoTracking().SingleOrDefaultAsync(c => c.Id == request.Id, context.CancellationToken) is { } customer
            ? MessageOf(customer)
            : throw ProblemException.NotFound("customer", request.Id);

    private static V1.Customer MessageOf(Customer customer) => new() { Id = customer.Id, Email = customer.Email, IsAdmin = customer.IsAdmin };
}
