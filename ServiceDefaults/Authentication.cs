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
    /// <summary>The people who buy.</summary>
    public const string Customers = "microplatform/customers";

    /// <summary>The people who keep to-dos and run the business.</summary>
    public const string Users = "microplatform/users";

    /// <summary>The audience of every token.</summary>
    public const string Audience = "microplatform";

    /// <summary>The service that an issuer is, by its service-discovery name.</summary>
    public static string ServiceOf(string issuer) => issuer[(issuer.LastIndexOf('/') + 1)..];
}

/// <summary>Bearer tokens: every service verifies every token itself, with the key set its issuer publishes.</summary>
public static class Authentication
{
    // Clocks of machines in one platform agree to well under this.
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    /// <summary>Accepts tokens of the named <see cref="Issuers"/> (one scheme each) and adds the <see cref="Policies"/>.</summary>
    public static WebApplicationBuilder AddTokenAuthentication(this WebApplicationBuilder builder, params string[] issuers)
    {
        var deadline = builder.CallDeadline();
        var authentication = builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme);
        authentication.AddPolicyScheme(JwtBearerDefaults.AuthenticationScheme, displayName: null, options =>
            options.ForwardDefaultSelector = issuers.Length == 1
                ? _ => issuers[0]
                : context => IssuerOf(context.Request) is { } named && issuers.Contains(named, StringComparer.Ordinal) ? named : issuers[0]);
        builder.Services.AddHttpClient(KeySet.HttpClientName, client => client.Timeout = deadline)
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(1) });
        foreach (var issuer in issuers)
        {
            // The authority itself has its keys at hand.
            if (!string.Equals(Issuers.ServiceOf(issuer), builder.Environment.ApplicationName, StringComparison.OrdinalIgnoreCase))
            {
                builder.RequireService(Issuers.ServiceOf(issuer), "http");
            }

            authentication.AddJwtBearer(issuer, options => options.Configure(issuer));
            builder.Services.AddOptions<JwtBearerOptions>(issuer).Configure<IHttpClientFactory, TimeProvider, ILogger<KeySet>>((options, clients, time, logger) =>
                options.ConfigurationManager ??= new KeySet(issuer, clients, time, logger));
            builder.Services.AddOptions<JwtBearerOptions>(issuer).Configure<TimeProvider>((options, time) =>
                options.TokenValidationParameters.LifetimeValidator = (notBefore, expires, _, parameters) =>
                    // The clock is what is moved: a token that names neither end stands for the first and last moments there are.
                    expires is { } end && time.GetUtcNow().UtcDateTime - parameters.ClockSkew < end
                    && (notBefore is not { } start || time.GetUtcNow().UtcDateTime + parameters.ClockSkew >= start));
        }

        builder.Services.AddPolicies();
        return builder;
    }

    /// <summary>Adds the <see cref="Policies"/>; a call that no endpoint declared open is refused to the anonymous.</summary>
    public static void AddPolicies(this IServiceCollection services) => services.AddAuthorizationBuilder()
        .AddPolicy(Policies.Customer, policy => policy.RequireAuthenticatedUser().RequireClaim("iss", Issuers.Customers).RequireAssertion(IsSelfOrAdmin))
        .AddPolicy(Policies.User, policy => policy.RequireAuthenticatedUser().RequireClaim("iss", Issuers.Users))
        .AddPolicy(Policies.Staff, policy => policy.RequireClaim("iss", Issuers.Users).RequireRole("staff", "admin"))
        .AddPolicy(Policies.ShopAdmin, policy => policy.RequireAssertion(context => context.User.IsShopAdmin()))
        .AddPolicy(Policies.Admin, policy => policy.RequireClaim("iss", Issuers.Users).RequireRole("admin"))
        .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());

    /// <summary>Whose data a path with <c>{customerId}</c> means is settled before the body is read, so that nobody probes with bodies.</summary>
    private static bool IsSelfOrAdmin(AuthorizationHandlerContext context) =>
        (context.Resource as HttpContext)?.GetRouteValue("customerId") is not string customerId
        || context.User.IsShopAdmin()
        || !long.TryParse(customerId, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id)
        // Compared as text: every requirement is looked at, also for the anonymous and for accounts of Users.
        || string.Equals(id.ToString(System.Globalization.CultureInfo.InvariantCulture), context.User.FindFirstValue(JwtRegisteredClaimNames.Sub), StringComparison.Ordinal);

    /// <summary>What is checked of every token of <paramref name="issuer"/>.</summary>
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
                    // Left to itself, validation takes missing keys for a bad signature. What is no token of this issuer is bad whatever its keys.
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
                ? throw ProblemException.Unavailable("Nobody can check the token right now; try again shortly.")
                : Task.CompletedTask,
        };

        bool IsSubject(string? subject) => string.Equals(issuer, Issuers.Users, StringComparison.Ordinal)
            ? Guid.TryParse(subject, out _)
            : long.TryParse(subject, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out _);
    }

    /// <summary>The caller's token: <c>Bearer TOKEN</c>, the scheme in any case; over gRPC also the bare token.</summary>
    public static string? TokenOf(HttpRequest request)
    {
        var words = request.Headers.Authorization is [{ } header] ? header.Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];
        var hasScheme = words.Length == 2 && string.Equals(words[0], JwtBearerDefaults.AuthenticationScheme, StringComparison.OrdinalIgnoreCase);
        return hasScheme || (words.Length == 1 && request.HttpContext.IsGrpc()) ? words[^1] : null;
    }

    /// <summary>
    /// The account that a path names: its id, or <c>me</c>. Yours always; another's only for an admin.
    /// </summary>
    /// <exception cref="ProblemException">404 when it is no id at all, 403 when it is another's.</exception>
    public static long SelfOrAdmin(this ClaimsPrincipal user, string idOrMe, string what)
    {
        var self = user.Id();
        if (string.Equals(idOrMe, "me", StringComparison.OrdinalIgnoreCase))
        {
            return self;
        }

        if (!long.TryParse(idOrMe, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id))
        {
            throw ProblemException.NotFound(what, idOrMe);
        }

        return id == self || user.IsShopAdmin() ? id : throw ProblemException.Forbidden($"This {what} is not yours.");
    }

    /// <summary>Whether the caller runs the shop; an admin of Users does not.</summary>
    public static bool IsShopAdmin(this ClaimsPrincipal user) => user.HasClaim("iss", Issuers.Customers) && user.IsInRole("admin");

    /// <summary>The caller's customer id.</summary>
    public static long Id(this ClaimsPrincipal user) =>
        long.Parse(user.FindFirstValue(JwtRegisteredClaimNames.Sub)!, System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The caller's user id.</summary>
    public static Guid UserId(this ClaimsPrincipal user) => Guid.Parse(user.FindFirstValue(JwtRegisteredClaimNames.Sub)!);

    /// <summary>Read without verification, only to choose who verifies.</summary>
    private static string? IssuerOf(HttpRequest request) =>
        TokenOf(request) is { Length: < 8192 } token && new JsonWebTokenHandler() is var handler && handler.CanReadToken(token) && TryRead(handler, token) is { } jwt
            ? jwt.Issuer
            : null;

    private static JsonWebToken? TryRead(JsonWebTokenHandler handler, string token)
    {
        try
        {
            return handler.ReadJsonWebToken(token);
        }
        catch (ArgumentException)
        {
            // Not a token: the default issuer's scheme refuses it with its usual answer.
            return null;
        }
    }
}
