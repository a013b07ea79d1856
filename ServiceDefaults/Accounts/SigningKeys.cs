using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>How signing keys are stored.</summary>
internal static class SigningKeys
{
    public const string SecretKey = "Accounts:KeySecret";
    public const string PreviousSecretKey = "Accounts:PreviousKeySecret";

    // A generated secret is strong by itself; the iterations protect a secret that a person chose (NIST SP 800-132: at least 1,000).
    public static readonly PbeParameters Encryption =
        new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, iterationCount: 100_000);
}

/// <summary>The keys in the database are encrypted with another secret.</summary>
internal sealed class WrongKeySecretException() : Exception(
    $"The setting {SigningKeys.SecretKey} does not open the signing keys in the database: give the secret they are encrypted with, "
    + $"as {SigningKeys.PreviousSecretKey} if it is being changed.");

/// <summary>
/// The authority's keys, in its database and shared by its replicas. A new key is published before it signs and stays published until
/// its last token has expired, so that rotation invalidates no token.
/// </summary>
internal sealed class SigningKeys<TContext>(
    IServiceScopeFactory scopes, IOptions<AccountOptions> options, TimeProvider time, ILogger<SigningKeys<TContext>> logger)
    : IConfigurationManager<OpenIdConnectConfiguration>, IDisposable
    where TContext : ServiceDbContext
{
    // How soon a replica sees a new key of another replica. A key is published long before it signs.
    private static readonly TimeSpan CacheLifetime = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim refreshing = new(1, 1);
    private volatile KeyRing? ring;

    // A decrypted key stays usable after a replica with a new secret has encrypted it again. Guarded by the semaphore.
    private Dictionary<string, RSA> opened = new(StringComparer.Ordinal);

    /// <summary>The key that signs now.</summary>
    public async Task<SigningCredentials> GetSigningCredentialsAsync(CancellationToken cancellationToken)
    {
        var keys = (await GetRingAsync(cancellationToken)).Keys;
        var now = time.GetUtcNow();
        return keys.Last(key => key.ActiveFrom <= now).Credentials;
    }

    /// <summary>The public keys, as a JSON Web Key Set (RFC 7517).</summary>
    public async Task<JsonWebKeySet> GetKeySetAsync(CancellationToken cancellationToken)
    {
        var set = new JsonWebKeySet();
        foreach (var key in (await GetRingAsync(cancellationToken)).Keys)
        {
            var parameters = ((RsaSecurityKey)key.Credentials.Key).Rsa.ExportParameters(includePrivateParameters: false);
            set.Keys.Add(new JsonWebKey
            {
                Kty = JsonWebAlgorithmsKeyTypes.RSA,
                Use = JsonWebKeyUseNames.Sig,
                Alg = SecurityAlgorithms.RsaSha256,
                Kid = key.Credentials.Key.KeyId,
                N = Base64UrlEncoder.Encode(parameters.Modulus),
                E = Base64UrlEncoder.Encode(parameters.Exponent),
            });
        }

        return set;
    }

    async Task<OpenIdConnectConfiguration> IConfigurationManager<OpenIdConnectConfiguration>.GetConfigurationAsync(
        CancellationToken cancel) =>
        (await GetRingAsync(cancel)).Configuration;

    /// <summary>The keys that verify tokens.</summary>
    public async Task<IEnumerable<SecurityKey>> GetValidationKeysAsync(CancellationToken cancellationToken) =>
        (await GetRingAsync(cancellationToken)).Configuration.SigningKeys;

    /// <summary>Reads the keys again, unless they were read moments ago.</summary>
    public void RequestRefresh()
    {
        if (ring is { } known && known.LoadedAt + KeySet.AskAgainAfter <= time.GetUtcNow())
        {
            ring = null;
        }
    }

    public void Dispose() => refreshing.Dispose();

    private async Task<KeyRing> GetRingAsync(CancellationToken cancellationToken)
    {
        if (ring is { } cached && cached.LoadedAt + CacheLifetime > time.GetUtcNow())
        {
            return cached;
        }

        await refreshing.WaitAsync(cancellationToken);
        try
        {
            return ring is { } fresh && fresh.LoadedAt + CacheLifetime > time.GetUtcNow()
                ? fresh
                : ring = await LoadAsync(cancellationToken);
        }
        finally
        {
            refreshing.Release();
        }
    }

    /// <summary>Reads the keys, and creates the next one when it is due. A table lock ensures that only one replica creates it.</summary>
    private async Task<KeyRing> LoadAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TContext>();
        var now = time.GetUtcNow();
        var keys = await ReadAsync();
        if (IsNextDue())
        {
            keys = await db.InTransactionAsync(async token =>
            {
                await db.Database.ExecuteSqlAsync($"LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE", token);
                keys = await ReadAsync();
                if (IsNextDue())
                {
                    // The first key signs at once, because no older key set exists.
                    var activeFrom = keys.Count == 0 ? now : now + options.Value.KeyAnnouncement;
                    // The last key signs until the new key is active, even if the new key is late because the service was not running.
                    await db.Set<SigningKey>().Where(key =>
                        key.ActiveFrom <= now
                            && key.PublishedUntil >= now
                            && key.PublishedUntil < activeFrom + (2 * options.Value.AccessTokenLifetime))
                        .ExecuteUpdateAsync(
                            key => key.SetProperty(k => k.PublishedUntil, activeFrom + (2 * options.Value.AccessTokenLifetime)), token);
                    using var rsa = RSA.Create(2048);
                    db.Add(new SigningKey
                    {
                        Id = Guid.CreateVersion7(now).ToString("N"),
                        PrivateKey = Encrypt(rsa),
                        ActiveFrom = activeFrom,
                        PublishedUntil = activeFrom + options.Value.KeyLifetime + options.Value.KeyAnnouncement + (
                            2 * options.Value.AccessTokenLifetime),
                    });
                    await db.SaveChangesAsync(token);
                    await db.Set<SigningKey>().Where(key => key.PublishedUntil < now).ExecuteDeleteAsync(token);
                    keys = await ReadAsync();
                }

                return keys;
            }, cancellationToken);
        }

        opened = await OpenAsync(db, keys, cancellationToken);
        return new(now, [.. keys.Where(key => opened.ContainsKey(key.Id)).Select(key =>
            new RingKey(key.ActiveFrom, new(new RsaSecurityKey(opened[key.Id]) { KeyId = key.Id }, SecurityAlgorithms.RsaSha256)))]);

        Task<List<SigningKey>> ReadAsync() =>
            db.Set<SigningKey>().AsNoTracking().Where(key => key.PublishedUntil >= now).OrderBy(key => key.ActiveFrom)
                .ToListAsync(cancellationToken);

        bool IsNextDue() => keys.Count == 0 || keys[^1].ActiveFrom + options.Value.KeyLifetime - options.Value.KeyAnnouncement <= now;
    }

    /// <summary>
    /// Decrypts the keys. Unencrypted keys and keys of the previous secret are stored again, encrypted with the present secret.
    /// </summary>
    /// <exception cref="WrongKeySecretException">No secret decrypts a key, and this process has not decrypted one before.</exception>
    private async Task<Dictionary<string, RSA>> OpenAsync(TContext db, List<SigningKey> keys, CancellationToken cancellationToken)
    {
        var result = new Dictionary<string, RSA>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            if (opened.TryGetValue(key.Id, out var known) || TryOpen(key.PrivateKey, options.Value.KeySecret, out known))
            {
                result[key.Id] = known;
            }
            else if (TryOpen(key.PrivateKey, options.Value.PreviousKeySecret, out known)
                || TryOpen(key.PrivateKey, secret: null, out known))
            {
                result[key.Id] = known;
                var encrypted = Encrypt(known);
                await db.Set<SigningKey>().Where(row => row.Id == key.Id && row.PrivateKey == key.PrivateKey)
                    .ExecuteUpdateAsync(row => row.SetProperty(r => r.PrivateKey, encrypted), cancellationToken);
            }
            else if (opened.Count == 0)
            {
                throw new WrongKeySecretException();
            }
            else
            {
                logger.LogError("{Setting} does not open the signing key {Key}; it is left out", SigningKeys.SecretKey, key.Id);
            }
        }

        return result;
    }

    private byte[] Encrypt(RSA key) => key.ExportEncryptedPkcs8PrivateKey(options.Value.KeySecret, SigningKeys.Encryption);

    /// <summary>Decrypts a key with the secret; without a secret, reads an unencrypted key.</summary>
    private static bool TryOpen(byte[] privateKey, string? secret, [NotNullWhen(true)] out RSA? key)
    {
        key = RSA.Create();
        try
        {
            if (secret is null)
            {
                key.ImportPkcs8PrivateKey(privateKey, out _);
            }
            else
            {
                key.ImportEncryptedPkcs8PrivateKey(secret, privateKey, out _);
            }

            return true;
        }
        catch (CryptographicException)
        {
            key.Dispose();
            key = null;
            return false;
        }
    }

    private sealed record KeyRing(DateTimeOffset LoadedAt, IReadOnlyList<RingKey> Keys)
    {
        /// <summary>The keys in the form that authentication reads at every request.</summary>
        public OpenIdConnectConfiguration Configuration { get; } = ConfigurationOf(Keys);

        private static OpenIdConnectConfiguration ConfigurationOf(IReadOnlyList<RingKey> keys)
        {
            var configuration = new OpenIdConnectConfiguration();
            foreach (var key in keys)
            {
                configuration.SigningKeys.Add(key.Credentials.Key);
            }

            return configuration;
        }
    }

    private sealed record RingKey(DateTimeOffset ActiveFrom, SigningCredentials Credentials);
}
