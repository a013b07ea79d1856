using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>
/// The authority's keys. They live in its database, shared by its replicas; a new one is announced in the key set
/// before it signs and stays there until its last token has expired, so that rotation interrupts nobody.
/// </summary>
internal sealed class SigningKeys<TContext>(IServiceScopeFactory scopes, IOptions<AccountOptions> options, TimeProvider time)
    : IConfigurationManager<OpenIdConnectConfiguration>, IDisposable
    where TContext : ServiceDbContext
{
    // How soon a replica sees a key that another one made; announcement makes sure that this is early enough.
    private static readonly TimeSpan CacheLifetime = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim refreshing = new(1, 1);
    private volatile KeyRing? ring;

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

    async Task<OpenIdConnectConfiguration> IConfigurationManager<OpenIdConnectConfiguration>.GetConfigurationAsync(CancellationToken cancel)
    {
        var configuration = new OpenIdConnectConfiguration();
        foreach (var key in (await GetRingAsync(cancel)).Keys)
        {
            configuration.SigningKeys.Add(key.Credentials.Key);
        }

        return configuration;
    }

    void IConfigurationManager<OpenIdConnectConfiguration>.RequestRefresh()
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
            return ring is { } fresh && fresh.LoadedAt + CacheLifetime > time.GetUtcNow() ? fresh : ring = await LoadAsync(cancellationToken);
        }
        finally
        {
            refreshing.Release();
        }
    }

    /// <summary>Reads the keys, and makes the next one when it is due; a table lock lets one replica do so.</summary>
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
                    // The first key signs at once: nobody can hold an older key set.
                    var activeFrom = keys.Count == 0 ? now : now + options.Value.KeyAnnouncement;
                    // The last key signs until then, however late its successor is: the service may not have run when it was due.
                    await db.Set<SigningKey>().Where(key => key.ActiveFrom <= now && key.PublishedUntil >= now && key.PublishedUntil < activeFrom + (2 * options.Value.AccessTokenLifetime))
                        .ExecuteUpdateAsync(key => key.SetProperty(k => k.PublishedUntil, activeFrom + (2 * options.Value.AccessTokenLifetime)), token);
                    using var rsa = RSA.Create(2048);
                    db.Add(new SigningKey
                    {
                        Id = Guid.CreateVersion7(now).ToString("N"),
                        PrivateKey = rsa.ExportPkcs8PrivateKey(),
                        ActiveFrom = activeFrom,
                        PublishedUntil = activeFrom + options.Value.KeyLifetime + options.Value.KeyAnnouncement + (2 * options.Value.AccessTokenLifetime),
                    });
                    await db.SaveChangesAsync(token);
                    await db.Set<SigningKey>().Where(key => key.PublishedUntil < now).ExecuteDeleteAsync(token);
                    keys = await ReadAsync();
                }

                return keys;
            }, cancellationToken);
        }

        return new(now, [.. keys.Select(key =>
        {
            var rsa = RSA.Create();
            rsa.ImportPkcs8PrivateKey(key.PrivateKey, out _);
            return new RingKey(key.ActiveFrom, new(new RsaSecurityKey(rsa) { KeyId = key.Id }, SecurityAlgorithms.RsaSha256));
        })]);

        Task<List<SigningKey>> ReadAsync() =>
            db.Set<SigningKey>().AsNoTracking().Where(key => key.PublishedUntil >= now).OrderBy(key => key.ActiveFrom).ToListAsync(cancellationToken);

        bool IsNextDue() => keys.Count == 0 || keys[^1].ActiveFrom + options.Value.KeyLifetime - options.Value.KeyAnnouncement <= now;
    }

    private sealed record KeyRing(DateTimeOffset LoadedAt, IReadOnlyList<RingKey> Keys);

    private sealed record RingKey(DateTimeOffset ActiveFrom, SigningCredentials Credentials);
}
