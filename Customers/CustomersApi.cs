using System.ComponentModel;
using System.Security.Claims;
using MicroPlatform.Customers.Events;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Customers;

/// <summary>Accounts: registration by anyone, everything else by their owner or an admin.</summary>
internal static class CustomersApi
{
    private const string ResourceName = "customer";

    public static void MapCustomersApi(this IEndpointRouteBuilder app)
    {
        app.MapApi("/customers", "Customers").MapPost("/", RegisterAsync).AllowAnonymous()
            .ProducesProblem(StatusCodes.Status403Forbidden).ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Register a customer");

        app.MapApi("/customers", "Customers").RequireAuthorization(Policies.ShopAdmin)
            .MapGet("/", ListAsync).WithSummary("List customers, optionally those whose e-mail address or name contains a text");

        var one = app.MapApi("/customers/{customerId}", "Customers").RequireAuthorization(Policies.Customer);
        one.MapGet("/", GetAsync).WithSummary("Show a customer");
        one.MapPatch("/", UpdateAsync).WithSummary("Change a customer");
        one.MapDelete("/", DeleteAsync)
            .WithSummary("Delete a customer, with the cart, and end every session; not the last admin");
        one.MapPut("/password", ChangePasswordAsync).NoStore().ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Change the password and end every session; the owner gets a new session, an admin does not");
    }

    private static async Task<Created<CustomerResponse>> RegisterAsync(
        RegisterCustomerRequest request, ClaimsPrincipal caller, CustomersDbContext db, SignIn signIn, TimeProvider time,
        CancellationToken cancellationToken)
    {
        if (request.IsAdmin == true && !caller.IsShopAdmin())
        {
            throw ProblemException.Forbidden("Only an admin makes admins.");
        }

        var customer = new Customer
        {
            Email = request.Email!,
            FirstName = request.FirstName ?? "",
            LastName = request.LastName ?? "",
            IsAdmin = request.IsAdmin ?? false,
            PasswordHash = signIn.Hash(request.Password!),
            CreatedAt = time.GetUtcNow(),
        };
        db.Add(customer);
        await SaveAsync(db, cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/customers/{customer.Id}", CustomerResponse.Of(customer));
    }

    private static async Task<Ok<Page<CustomerResponse>>> ListAsync(
        [AsParameters] PageQuery page, CustomersDbContext db, CancellationToken cancellationToken,
        [Description("Part of an e-mail address or a name, case-insensitive, without wildcards.")] string? search = null)
    {
        var customers = db.Accounts.AsNoTracking();
        if (!string.IsNullOrEmpty(search))
        {
            var pattern = Paging.ContainsPattern(search);
            customers = customers.Where(c =>
                EF.Functions.ILike(c.Email, pattern, @"\")
                    || EF.Functions.ILike(c.FirstName, pattern, @"\")
                    || EF.Functions.ILike(c.LastName, pattern, @"\"));
        }

        return TypedResults.Ok(await customers.ToPageAsync(page, c => c.Id, CustomerResponse.FromCustomer, c => c.Id, cancellationToken));
    }

    private static async Task<Ok<CustomerResponse>> GetAsync(
        [Description("A customer's id, or `me`.")] string customerId, ClaimsPrincipal caller, CustomersDbContext db, HttpContext http,
        CancellationToken cancellationToken)
    {
        var id = caller.CustomerId(customerId, ResourceName);
        if (http.Features.Get<Customer>() is { } self && self.Id == id)
        {
            return TypedResults.Ok(CustomerResponse.Of(self)); // authentication has just read it
        }

        return TypedResults.Ok(await db.Accounts.Where(c => c.Id == id).Select(CustomerResponse.FromCustomer)
                .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id));
    }

    private static async Task<Ok<CustomerResponse>> UpdateAsync(
        [Description("A customer's id, or `me`.")] string customerId, UpdateCustomerRequest request, ClaimsPrincipal caller,
        CustomersDbContext db,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        if (request == new UpdateCustomerRequest())
        {
            throw ProblemException.Invalid("body", "Name at least one field to change: email, firstName, lastName, isAdmin.");
        }

        var id = caller.CustomerId(customerId, ResourceName);
        return TypedResults.Ok(await db.InTransactionAsync(async token =>
        {
            var customer = await FindAsync(db, id, preconditions, token);
            if (request.IsAdmin is { } isAdmin && isAdmin != customer.IsAdmin)
            {
                await ChangeRoleAsync(db, customer, isAdmin, caller, token);
            }

            // An unchanged address keeps its key, which older rules may have made.
            if (request.Email is { } email && !string.Equals(email, customer.Email, StringComparison.Ordinal))
            {
                customer.Email = email;
            }

            customer.FirstName = request.FirstName ?? customer.FirstName;
            customer.LastName = request.LastName ?? customer.LastName;
            await SaveAsync(db, token);
            return CustomerResponse.Of(customer);
        }, cancellationToken));
    }

    private static async Task<NoContent> DeleteAsync(
        [Description("A customer's id, or `me`.")] string customerId, ClaimsPrincipal caller, CustomersDbContext db,
        EventBus<CustomersDbContext> events,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var id = caller.CustomerId(customerId, ResourceName);
        await events.CommitAsync(async (happened, token) =>
        {
            var customer = await FindAsync(db, id, preconditions, token);
            await RequireNotLastAdminAsync(db, customer, token);
            db.Remove(customer);
            happened.Add(new CustomerDeleted(id));
            return await db.SaveChangesAsync(token);
        }, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Results<Ok<TokenPair>, NoContent>> ChangePasswordAsync(
        [Description("A customer's id, or `me`.")] string customerId, ChangePasswordRequest request, ClaimsPrincipal caller,
        CustomersDbContext db,
        SignIn signIn, CancellationToken cancellationToken)
    {
        var id = caller.CustomerId(customerId, ResourceName);
        var customer = await db.Accounts.AsNoTracking().SingleOrDefaultAsync(c => c.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id);
        if (id == caller.Id())
        {
            return TypedResults.Ok(await signIn.ChangePasswordAsync(customer, request, cancellationToken));
        }

        await signIn.ResetPasswordAsync(customer, request.NewPassword!, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task ChangeRoleAsync(
        CustomersDbContext db, Customer customer, bool isAdmin, ClaimsPrincipal caller, CancellationToken cancellationToken)
    {
        if (!caller.IsShopAdmin())
        {
            throw ProblemException.Forbidden("Only an admin makes admins.");
        }

        await RequireNotLastAdminAsync(db, customer, cancellationToken);
        customer.IsAdmin = isAdmin;
    }

    /// <summary>
    /// Keeps one admin, because only an admin can appoint another. The lock serializes admins who leave at the same time.
    /// </summary>
    private static async Task RequireNotLastAdminAsync(CustomersDbContext db, Customer customer, CancellationToken cancellationToken)
    {
        var admins = db.Database.SqlQuery<long>($"SELECT id FROM customers WHERE is_admin ORDER BY id FOR UPDATE");
        if (customer.IsAdmin && await admins.ToListAsync(cancellationToken) is [_])
        {
            throw ProblemException.Conflict("This is the last admin; make another account admin first.");
        }
    }

    private static async Task<Customer> FindAsync(
        CustomersDbContext db, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var customer = await db.Accounts.SingleOrDefaultAsync(c => c.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id);
        preconditions.Require(customer.Version);
        return customer;
    }

    private static async Task SaveAsync(CustomersDbContext db, CancellationToken cancellationToken)
    {
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException failure) when (failure.Violates(CustomersDbContext.EmailIndex))
        {
            throw ProblemException.Conflict("There is an account with this e-mail address.", "email");
        }
    }
}
