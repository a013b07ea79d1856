using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authentication;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>Answers the other services of the shop: is this token good, and whose is it?</summary>
internal sealed class TokenValidationGrpcService(CustomersDbContext db, IServiceScopeFactory scopes) : TokenValidation.TokenValidationBase
{
    /// <summary>Verifies the token exactly as a request to this service itself would be, session and all.</summary>
    public override async Task<ValidateResponse> Validate(ValidateRequest request, ServerCallContext context)
    {
        // Identity belongs to this message. The call's own has been looked at already and is remembered, so the token gets a context of its own.
        await using var scope = scopes.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider, RequestAborted = context.CancellationToken };
        http.Request.Headers.Authorization = $"Bearer {request.Token}";
        var result = await http.AuthenticateAsync();
        // An account that is deleted at this moment has no session either.
        return result.Succeeded && await FindAsync(result.Principal.Id(), context.CancellationToken) is { } customer
            ? new() { Customer = customer }
            : throw ProblemException.Unauthorized("The token is malformed, forged or expired, or its session has ended.");
    }

    public override async Task<V1.Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context) =>
        await FindAsync(request.Id, context.CancellationToken) ?? throw ProblemException.NotFound("customer", request.Id);

    private Task<V1.Customer?> FindAsync(long id, CancellationToken cancellationToken) => db.Accounts
        .Where(c => c.Id == id)
        .Select(c => new V1.Customer { Id = c.Id, Email = c.Email, IsAdmin = c.IsAdmin })
        .SingleOrDefaultAsync(cancellationToken);
}
