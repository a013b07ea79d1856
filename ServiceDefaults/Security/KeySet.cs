using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// The keys that an issuer publishes. Once known they serve while the issuer is away; nobody waits for a renewal,
/// except a token with a key that is not among them.
/// </summary>
internal sealed class KeySet : BaseConfigurationManager, IConfigurationManager<OpenIdConnectConfiguration>
{
    public const string HttpClientName = "jwks";

    // As long as the issuer lets others keep it (Cache-Control: max-age).
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    // Keys are announced before they sign, so an unknown one is mostly a forgery: no reason to ask for every single one.
    public static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly string issuer;
    private readonly IHttpClientFactory clients;
    private readonly TimeProvider time;
    private readonly ILogger<KeySet> logger;
    private Task<OpenIdConnectConfiguration?> fetching = Task.FromResult<OpenIdConnectConfiguration?>(null);
    private DateTimeOffset fetchedAt = DateTimeOffset.MinValue;
    private bool unknownKey;
    private OpenIdConnectConfiguration? known;

    public KeySet(string issuer, IHttpClientFactory clients, TimeProvider time, ILogger<KeySet> logger)
    {
        (this.issuer, this.clients, this.time, this.logger) = (issuer, clients, time, logger);
        // A key that the issuer has withdrawn is not to be trusted any longer.
        UseLastKnownGoodConfiguration = false;
    }

    /// <exception cref="KeySetUnavailableException">The keys are not known and cannot be had right now.</exception>
    public async Task<OpenIdConnectConfiguration> GetConfigurationAsync(CancellationToken cancel)
    {
        Task<OpenIdConnectConfiguration?> current;
        bool wait;
        lock (gate)
        {
            var age = time.GetUtcNow() - fetchedAt;
            wait = known is null || (unknownKey && (age > AskAgainAfter || !fetching.IsCompleted));
            if (fetching.IsCompleted && (wait || age > Lifetime))
            {
                fetchedAt = time.GetUtcNow();
                unknownKey = false;
                fetching = Task.Run(FetchAsync, CancellationToken.None);
            }

            current = fetching;
        }

        // Shared by all who wait, so that one who leaves does not end it for the others.
        var fetched = wait ? await current.WaitAsync(cancel) : null;
        return fetched ?? known ?? throw new KeySetUnavailableException();
    }

    public override async Task<BaseConfiguration> GetBaseConfigurationAsync(CancellationToken cancel) =>
        await GetConfigurationAsync(cancel);

    public override void RequestRefresh()
    {
        lock (gate)
        {
            unknownKey = true;
        }
    }

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
        catch (Exception failure) // whatever went wrong, nobody can check a token
        {
            logger.LogWarning("The keys of {Issuer} cannot be had: {Reason}", issuer, failure.Message);
            return null;
        }
    }
}

/// <summary>Nobody can say whether the token is good.</summary>
internal sealed class KeySetUnavailableException() : Exception("The issuer's keys cannot be had right now.");
