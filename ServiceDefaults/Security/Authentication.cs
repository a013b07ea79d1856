using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The policies that endpoints name. Each checks the issuer too: a service may accept the tokens of both authorities.</summary>
public static class Policies
{
    /// <summary>Any customer of the shop; where the path has a <c>{customerId}</c>, that customer or a shop admin.</summary>
    public const string Customer = "customer";

    /// <summary>Any account of Users.</summary>
    public const string User = "user";

    /// <summary>An account of Users with the role <c>staff</c> or <c>admin</c>: the back office.</summary>
    public const string Staff = "staff";

    /// <summary>A customer with the role <c>admin</c>: the shop.</summary>
    public const string ShopAdmin = "shop-admin";

    /// <summary>An account of Users with the role <c>admin</c>.</summary>
    public const string Admin = "admin";
}

/// <summary>The two authorities: each service is the authority for its own accounts.</summary>
public static class Issuers
{
    /// <summary>The authority for customers of the shop.</summary>
    public const string Customers = "microplatform/customers";

    /// <summary>The authority for users of the to-do application and for staff.</summary>
    public const string Users = "microplatform/users";

    /// <summary>The audience of every token.</summary>
    public const string Audience = "microplatform";

    /// <summary>The service-discovery name of an issuer.</summary>
    public static string ServiceOf(string issuer) => issuer[(issuer.LastIndexOf('/') + 1)..];
}

/// <summary>Bearer tokens: every service verifies every token itself, with the key set its issuer publishes.</summary>
public static class Authentication
{
    // Clocks within a platform differ by far less.
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);
    private static readonly JsonWebTokenHandler Reader = new();

    /// <summary>Accepts tokens of the named <see cref="Issuers"/> (one scheme each) and adds the <see cref="Policies"/>.</summary>
    public static WebApplicationBuilder AddTokenAuthentication(this WebApplicationBuilder builder, params string[] issuers)
    {
        var deadline = builder.CallDeadline();
        var authentication = builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme);
        authentication.AddPolicyScheme(JwtBearerDefaults.AuthenticationScheme, displayName: null, options =>
            options.ForwardDefaultSelector = issuers.Length == 1
                ? _ => issuers[0]
                : context =>
                    IssuerOf(context.Request) is { } named && issuers.Contains(named, StringComparer.Ordinal) ? named : issuers[0]);
        builder.Services.AddHttpClient(KeySet.HttpClientName, client => client.Timeout = deadline);
        foreach (var issuer in issuers)
        {
            // The authority reads its keys from its own database.
            if (!string.Equals(Issuers.ServiceOf(issuer), builder.Environment.ApplicationName, StringComparison.OrdinalIgnoreCase))
            {
                builder.RequireService(Issuers.ServiceOf(issuer), "http");
            }

            authentication.AddJwtBearer(issuer, options => options.Configure(issuer));
            builder.Services.AddOptions<JwtBearerOptions>(issuer)
                .Configure<IHttpClientFactory, TimeProvider, ILogger<KeySet>>((options, clients, time, logger) =>
                options.ConfigurationManager ??= new KeySet(issuer, clients, time, logger));
            builder.Services.AddOptions<JwtBearerOptions>(issuer).Configure<TimeProvider>((options, time) =>
                options.TokenValidationParameters.LifetimeValidator = (notBefore, expires, _, parameters) =>
                    // The skew shifts the clock and not the token's times, because those may be the first or last representable moment.
                    expires is { } end && time.GetUtcNow().UtcDateTime - parameters.ClockSkew < end
                    && (notBefore is not { } start || time.GetUtcNow().UtcDateTime + parameters.ClockSkew >= start));
        }

        builder.Services.AddPolicies();
        return builder;
    }

    /// <summary>Adds the <see cref="Policies"/>. An endpoint that does not allow anonymous callers requires a token.</summary>
    public static void AddPolicies(this IServiceCollection services) => services.AddAuthorizationBuilder()
        .AddPolicy(
            Policies.Customer,
            policy => policy.RequireAuthenticatedUser().RequireClaim("iss", Issuers.Customers).RequireAssertion(IsSelfOrAdmin))
        .AddPolicy(Policies.User, policy => policy.RequireAuthenticatedUser().RequireClaim("iss", Issuers.Users))
        .AddPolicy(Policies.Staff, policy => policy.RequireClaim("iss", Issuers.Users).RequireRole("staff", "admin"))
        .AddPolicy(Policies.ShopAdmin, policy => policy.RequireAssertion(context => context.User.IsShopAdmin()))
        .AddPolicy(Policies.Admin, policy => policy.RequireClaim("iss", Issuers.Users).RequireRole("admin"))
        .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());

    /// <summary>
    /// Checks the <c>{customerId}</c> of a path before the body is read, so that an unauthorized caller learns nothing from body
    /// validation.
    /// </summary>
    private static bool IsSelfOrAdmin(AuthorizationHandlerContext context) =>
        (context.Resource as HttpContext)?.GetRouteValue("customerId") is not string customerId
        || context.User.IsShopAdmin()
        || !TryParseId(customerId, out var id)
        // Compared as text, because this also runs for anonymous callers and for accounts of Users, whose subject is not a number.
        || string.Equals(
            id.ToString(CultureInfo.InvariantCulture), context.User.FindFirstValue(JwtRegisteredClaimNames.Sub), StringComparison.Ordinal);

    private static bool TryParseId(string? text, out long id) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id);

    /// <summary>Configures the validation of the tokens of <paramref name="issuer"/>.</summary>
    public static void Configure(this JwtBearerOptions options, string issuer)
    {
        options.MapInboundClaims = false;
        options.TokenValidationParameters = new TokenValidationParameters
        {
            ValidAlgorithms = [SecurityAlgorithms.RsaSha256],
            ValidIssuer = issuer,
            ValidAudience = Issuers.Audience,
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
            NameClaimType = JwtRegisteredClaimNames.Sub,
            RoleClaimType = "role",
        };
        options.Events = new JwtBearerEvents
        {
            OnMessageReceived = async context =>
            {
                context.Token = TokenOf(context.Request);
                if (context.Token is null)
                {
                    return;
                }

                try
                {
                    await context.Options.ConfigurationManager!.GetConfigurationAsync(context.HttpContext.RequestAborted);
                }
                catch (KeySetUnavailableException unavailable)
                {
                    // Without this, missing keys would look like a bad signature. A token of another issuer is invalid with any keys.
                    if (string.Equals(IssuerOf(context.Request), issuer, StringComparison.Ordinal))
                    {
                        context.Fail(unavailable);
                    }
                }
            },
            OnTokenValidated = context =>
            {
                if (!IsSubject(context.Principal?.FindFirstValue(JwtRegisteredClaimNames.Sub)))
                {
                    context.Fail("The token does not say whose it is.");
                }

                return Task.CompletedTask;
            },
            OnChallenge = context => context.AuthenticateFailure is KeySetUnavailableException
                ? throw ProblemException.Unavailable("Token validation is temporarily unavailable; try again shortly.")
                : Task.CompletedTask,
        };

        bool IsSubject(string? subject) => string.Equals(issuer, Issuers.Users, StringComparison.Ordinal)
            ? Guid.TryParse(subject, out _)
            : TryParseId(subject, out _);
    }

    /// <summary>The caller's token: <c>Bearer TOKEN</c>, the scheme in any case; over gRPC also the bare token.</summary>
    public static string? TokenOf(HttpRequest request)
    {
        var words = request.Headers.Authorization is [{ } header] ? header.Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];
        var hasScheme = words.Length == 2
            && string.Equals(words[0], JwtBearerDefaults.AuthenticationScheme, StringComparison.OrdinalIgnoreCase);
        return hasScheme || (words.Length == 1 && request.HttpContext.IsGrpc()) ? words[^1] : null;
    }

    /// <summary>
    /// The customer that a path names: an id, or <c>me</c>. <see cref="Policies.Customer"/> has authorized the caller already.
    /// </summary>
    /// <exception cref="ProblemException">404 when it is no id.</exception>
    public static long CustomerId(this ClaimsPrincipal user, string idOrMe, string resourceName) =>
        string.Equals(idOrMe, "me", StringComparison.OrdinalIgnoreCase) ? user.Id()
        : TryParseId(idOrMe, out var id) ? id
        : throw ProblemException.NotFound(resourceName, idOrMe);

    /// <summary>Whether the caller runs the shop; an admin of Users does not.</summary>
    public static bool IsShopAdmin(this ClaimsPrincipal user) => user.HasClaim("iss", Issuers.Customers) && user.IsInRole("admin");

    /// <summary>The caller's customer id.</summary>
    public static long Id(this ClaimsPrincipal user) =>
        long.Parse(user.FindFirstValue(JwtRegisteredClaimNames.Sub)!, CultureInfo.InvariantCulture);

    /// <summary>The caller's user id.</summary>
    public static Guid UserId(this ClaimsPrincipal user) => Guid.Parse(user.FindFirstValue(JwtRegisteredClaimNames.Sub)!);

    /// <summary>Reads the issuer without verification, only to select the scheme.</summary>
    private static string? IssuerOf(HttpRequest request) =>
        TokenOf(request) is { Length: < 8192 } token && Reader.CanReadToken(token) && TryRead(token) is { } jwt ? jwt.Issuer : null;

    private static JsonWebToken? TryRead(string token)
    {
        try
        {
            return Reader.ReadJsonWebToken(token);
        }
        catch (ArgumentException)
        {
            // A malformed token is refused by the scheme of the default issuer.
            return null;
        }
    }
}
