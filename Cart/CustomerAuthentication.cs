using System.Security.Claims;
using System.Text.Encodings.Web;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace MicroPlatform.Cart;

/// <summary>
/// Who calls, according to Customers at this moment: an ended session, a deleted account or a lost role take effect at once.
/// </summary>
internal static class CustomerAuthentication
{
    public const string Scheme = "Bearer";

    /// <summary>Adds the authentication of customers and the policies over it.</summary>
    public static void AddCustomerAuthentication(this WebApplicationBuilder builder)
    {
        builder.Services.AddAuthentication(Scheme)
            .AddScheme<AuthenticationSchemeOptions, CustomerAuthenticationHandler>(Scheme, configureOptions: null);
        builder.Services.AddPolicies();
    }
}

/// <summary>Asks Customers about the token of every request that needs one. What it does not answer is never guessed.</summary>
internal sealed class CustomerAuthenticationHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder,
    TokenValidation.TokenValidationClient customers)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // What is open to anyone stays open when Customers is down, also to those who send a token along.
        if (Context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null || Authentication.TokenOf(Request) is not { } token)
        {
            return AuthenticateResult.NoResult();
        }

        try
        {
            var customer = (await customers.ValidateAsync(new() { Token = token }, cancellationToken: Context.RequestAborted)).Customer;
            var identity = new ClaimsIdentity(
                [
                    new("sub", customer.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)), new("iss", Issuers.Customers),
                    new("role", customer.IsAdmin ? "admin" : "customer"),
                ],
                Scheme.Name, nameType: "sub", roleType: "role");
            return AuthenticateResult.Success(new(new ClaimsPrincipal(identity), Scheme.Name));
        }
        catch (RpcException failure) when (failure.StatusCode is StatusCode.Unauthenticated)
        {
            return AuthenticateResult.Fail("Customers does not accept the token.");
        }
        catch (RpcException failure) when (failure.StatusCode is not StatusCode.Cancelled)
        {
            Logger.LogWarning("Customers did not answer whether a token is valid: {Status}", failure.StatusCode);
            throw ProblemException.Unavailable();
        }
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        await base.HandleChallengeAsync(properties);
        Response.Headers.WWWAuthenticate = Authentication.TokenOf(Request) is null ? "Bearer" : "Bearer error=\"invalid_token\"";
    }
}
