using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OpenTelemetry;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>Makes a service the authority for its accounts: tokens, sessions, keys, and the check that a session is still active.</summary>
public static class AccountsExtensions
{
    /// <summary>
    /// Adds <see cref="SignIn{TContext,TAccount,TKey}"/> and verification of the authority's own tokens, sessions included.
    /// </summary>
    public static WebApplicationBuilder AddAccounts<TContext, TAccount, TKey>(this WebApplicationBuilder builder, string issuer)
        where TContext : AccountsDbContext<TAccount, TKey>
        where TAccount : Account<TKey>
        where TKey : struct, IParsable<TKey>
    {
        builder.CheckKeySecrets(builder.AddSettings<AccountOptions>("Accounts"));
        builder.TrustInsideProxies();
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddSingleton(new AccountAuthority(issuer));
        builder.Services.AddSingleton<SigningKeys<TContext>>();
        builder.Services.AddScoped(services => new SignIn<TContext, TAccount, TKey>(
            services.GetRequiredService<TContext>(),
            services.GetRequiredService<AccountAuthority>(),
            services.GetRequiredService<SigningKeys<TContext>>(),
            services.GetRequiredService<IOptions<AccountOptions>>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<IHttpContextAccessor>(),
            services.GetRequiredService<IOptionsMonitor<JwtBearerOptions>>()));
        builder.Services.AddHostedService<SigningKeysStart<TContext>>();
        builder.Services.AddScoped<IHousekeepingTask, AccountsHousekeeping<TContext, TAccount, TKey>>();
        builder.Services.AddHealthChecks()
            .AddCheck<SigningKeysCheck<TContext>>("signing-keys", tags: ["ready"], timeout: TimeSpan.FromSeconds(2));
        builder.AddTokenAuthentication(issuer);
        builder.Services.AddOptions<JwtBearerOptions>(issuer).Configure<SigningKeys<TContext>>((options, keys) =>
        {
            options.ConfigurationManager = keys;
            options.Events.OnTokenValidated = RequireLiveSessionAsync<TContext, TAccount, TKey>;
        });
        return builder;
    }

    /// <summary>Publishes the public keys at <c>/.well-known/jwks.json</c> (RFC 7517).</summary>
    public static void MapKeySet<TContext>(this WebApplication app)
        where TContext : ServiceDbContext =>
        app.MapGet("/.well-known/jwks.json", GetKeySetAsync<TContext>).AnswerHead().AllowAnonymous().ExcludeFromDescription();

    private static async Task<IResult> GetKeySetAsync<TContext>(
        SigningKeys<TContext> keys, HttpResponse response, CancellationToken cancellationToken)
        where TContext : ServiceDbContext
    {
        response.Headers.CacheControl = "public, max-age=300";
        var set = await keys.GetKeySetAsync(cancellationToken);
        return TypedResults.Json(new
        {
            keys = set.Keys.Select(key => new { kty = key.Kty, use = key.Use, alg = key.Alg, kid = key.Kid, n = key.N, e = key.E }),
        });
    }

    /// <summary>Requires the secret that encrypts the signing keys; the previous one is optional.</summary>
    private static void CheckKeySecrets(this WebApplicationBuilder builder, AccountOptions options)
    {
        const int MinLength = 32;
        var expected = $"the secret of at least {MinLength} characters that the signing keys in the database are encrypted with";
        if (options.KeySecret.Length < MinLength)
        {
            builder.RejectSetting(SigningKeys.SecretKey, expected, isSecret: true);
        }

        if (options.PreviousKeySecret.Length is > 0 and < MinLength)
        {
            builder.RejectSetting(SigningKeys.PreviousSecretKey, $"{expected} until now, or nothing", isSecret: true);
        }
    }

    /// <summary>The authority accepts a token only while its session is active, and reads the present role from the database.</summary>
    private static async Task RequireLiveSessionAsync<TContext, TAccount, TKey>(TokenValidatedContext context)
        where TContext : AccountsDbContext<TAccount, TKey>
        where TAccount : Account<TKey>
        where TKey : struct, IParsable<TKey>
    {
        var identity = (ClaimsIdentity)context.Principal!.Identity!;
        var signIn = context.HttpContext.RequestServices.GetRequiredService<SignIn<TContext, TAccount, TKey>>();
        if (await signIn.FindAccountAsync(identity, context.HttpContext.RequestAborted) is not { } account)
        {
            context.Fail("The session has ended.");
            return;
        }

        identity.RemoveClaim(identity.FindFirst("role"));
        identity.AddClaim(new("role", account.Role));
        context.HttpContext.Features.Set(account); // so that handlers need not read it again
    }
}

/// <summary>The identity of the authority.</summary>
internal sealed class AccountAuthority(string issuer)
{
    private string? dummyPasswordHash;

    public string Issuer { get; } = issuer;

    /// <summary>
    /// The hash of a random password with the settings of real ones, so that a sign-in with an unknown name takes the same time.
    /// </summary>
    public string DummyPasswordHash<TContext, TAccount, TKey>(SignIn<TContext, TAccount, TKey> signIn)
        where TContext : AccountsDbContext<TAccount, TKey>
        where TAccount : Account<TKey>
        where TKey : struct, IParsable<TKey> =>
        dummyPasswordHash ??= signIn.Hash(Guid.NewGuid().ToString());
}

/// <summary>Decrypts the signing keys before the service takes calls, and stops the service when the secret is wrong.</summary>
internal sealed class SigningKeysStart<TContext>(SigningKeys<TContext> keys) : IHostedService
    where TContext : ServiceDbContext
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await keys.GetSigningCredentialsAsync(cancellationToken);
        }
        catch (WrongKeySecretException wrong)
        {
            await Console.Error.WriteLineAsync(wrong.Message);
            Environment.Exit(Settings.ExitCode);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>An authority is ready when it can sign tokens.</summary>
internal sealed class SigningKeysCheck<TContext>(SigningKeys<TContext> keys) : IHealthCheck
    where TContext : ServiceDbContext
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var untraced = SuppressInstrumentationScope.Begin();
        try
        {
            await keys.GetSigningCredentialsAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception failure) when (DatabaseCheck<TContext>.ReasonOf(failure) is { } reason)
        {
            return HealthCheckResult.Unhealthy(reason);
        }
    }
}

internal sealed class AccountsHousekeeping<TContext, TAccount, TKey>(TContext db, IOptions<AccountOptions> options, TimeProvider time)
    : IHousekeepingTask
    where TContext : AccountsDbContext<TAccount, TKey>
    where TAccount : Account<TKey>
    where TKey : struct
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var windowStart = now - options.Value.FailureWindow;
        await db.Sessions.Where(session => session.ExpiresAt < now).ExecuteDeleteAsync(cancellationToken);
        await db.SignInFailures.Where(failures => failures.WindowStart < windowStart).ExecuteDeleteAsync(cancellationToken);
        await db.SigningKeys.Where(key => key.PublishedUntil < now).ExecuteDeleteAsync(cancellationToken);
    }
}
