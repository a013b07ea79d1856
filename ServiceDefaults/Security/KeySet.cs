using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// The keys that an issuer publishes. Known keys remain in use while the issuer is unavailable. Only a token with an unknown key waits
/// for a renewal.
/// </summary>
internal sealed class KeySet : BaseConfigurationManager, IConfigurationManager<OpenIdConnectConfiguration>
{
    public const string HttpClientName = "jwks";

    // The max-age of the issuer's Cache-Control.
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    // Keys are published before they sign, so an unknown key is usually a forgery and does not justify a request each time.
    public static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();

    // Belongs to the current request. Were it shared, another request could clear it before this one waits.
    private readonly AsyncLocal<bool> unknownKey = new();
    private readonly string issuer;
    private readonly IHttpClientFactory clients;
    private readonly TimeProvider time;
    private readonly ILogger<KeySet> logger;
    private Task<OpenIdConnectConfiguration?> fetching = Task.FromResult<OpenIdConnectConfiguration?>(null);
    private DateTimeOffset fetchedAt = DateTimeOffset.MinValue;
    private OpenIdConnectConfiguration? known;

    public KeySet(string issuer, IHttpClientFactory clients, TimeProvider time, ILogger<KeySet> logger)
    {
        (this.issuer, this.clients, this.time, this.logger) = (issuer, clients, time, logger);
        // A withdrawn key must not be trusted.
        UseLastKnownGoodConfiguration = false;
    }

    /// <exception cref="KeySetUnavailableException">The keys are unknown and cannot be fetched.</exception>
    public async Task<OpenIdConnectConfiguration> GetConfigurationAsync(CancellationToken cancel)
    {
        Task<OpenIdConnectConfiguration?> current;
        bool wait;
        lock (gate)
        {
            var age = time.GetUtcNow() - fetchedAt;
            wait = known is null || (unknownKey.Value && (age > AskAgainAfter || !fetching.IsCompleted));
            if (fetching.IsCompleted && (wait || age > Lifetime))
            {
                fetchedAt = time.GetUtcNow();
                fetching = Task.Run(FetchAsync, CancellationToken.None);
            }

            current = fetching;
        }

        // All callers share the fetch, so one caller's cancellation must not end it.
        var fetched = wait ? await current.WaitAsync(cancel) : null;
        return fetched ?? known ?? throw new KeySetUnavailableException();
    }

    public override async Task<BaseConfiguration> GetBaseConfigurationAsync(CancellationToken cancel) =>
        await GetConfigurationAsync(cancel);

    public override void RequestRefresh() => unknownKey.Value = true;

    private async Task<OpenIdConnectConfiguration?> FetchAsync()
    {
        try
        {
            using var http = clients.CreateClient(HttpClientName);
            var configuration = new OpenIdConnectConfiguration { Issuer = issuer };
            foreach (var key in new JsonWebKeySet(await http.GetStringAsync(new Uri(
                $"http://{Issuers.ServiceOf(issuer)}/.well-known/jwks.json"))).GetSigningKeys())
            {
                configuration.SigningKeys.Add(key);
            }

            return known = configuration.SigningKeys.Count > 0 ? configuration : throw new InvalidDataException("The answer holds no key.");
        }
        catch (Exception failure) // any failure means that tokens cannot be checked
        {
            logger.LogWarning("The keys of {Issuer} cannot be fetched: {Reason}", issuer, failure.Message);
            return null;
        }
    }
}

/// <summary>The token cannot be validated, because the issuer's keys are unavailable.</summary>
internal sealed class KeySetUnavailableException() : Exception("The issuer's keys are unavailable.");
