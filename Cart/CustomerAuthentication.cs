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
/// Authenticates callers with the Customers service, so that an ended session, a deleted account or a lost role takes effect at once.
/// </summary>
internal static class CustomerAuthentication
{
    public const string Scheme = "Bearer";

    /// <summary>Adds the client of Customers, the authentication that asks it, and the policies.</summary>
    public static void AddCustomerAuthentication(this WebApplicationBuilder builder)
    {
        builder.AddServiceClient<TokenValidation.TokenValidationClient>("customers");
        builder.Services.AddAuthentication(Scheme)
            .AddScheme<AuthenticationSchemeOptions, CustomerAuthenticationHandler>(Scheme, configureOptions: null);
        builder.Services.AddPolicies();
    }
}

/// <summary>
/// Validates the token of every request that needs one with Customers. If Customers does not answer, the request gets 503.
/// </summary>
internal sealed class CustomerAuthenticationHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder,
    TokenValidation.TokenValidationClient customers)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // Public endpoints stay available when Customers is down, even for requests with a token.
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
