using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>Tokens that nobody may accept, each made from a good one by changing one thing; signed, where that is not the thing, with the authority's own key.</summary>
internal static class Forgeries
{
    public static async Task<IReadOnlyDictionary<string, string>> OfAsync(TestPlatform platform, string authority, string good)
    {
        var token = new JsonWebToken(good);
        var database = $"{authority}db";
        var keyId = (await platform.QueryAsync<string>(database, "SELECT id FROM signing_keys ORDER BY active_from LIMIT 1"))!;
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(await platform.QueryAsync<byte[]>(database, "SELECT private_key FROM signing_keys ORDER BY active_from LIMIT 1"), out _);
        using var other = RSA.Create(2048);
        var own = Rsa(rsa, keyId);
        var publicKey = new HMACSHA256(Encoding.UTF8.GetBytes(rsa.ExportSubjectPublicKeyInfoPem()));
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["no token at all"] = "garbage",
            ["three words of nonsense"] = "a.b.c",
            ["changed after signing"] = $"{token.EncodedHeader}.{Encode(Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(token.EncodedPayload)).Replace("\"role\":\"", "\"role\":\"x", StringComparison.Ordinal))}.{token.EncodedSignature}",
            ["signed by a stranger under our key id"] = Mint(token, Rsa(other, keyId)),
            ["signed with an unknown key"] = Mint(token, Rsa(other, "unknown")),
            ["algorithm none"] = $"{Encode("""{"alg":"none","typ":"JWT"}""")}.{token.EncodedPayload}.",
            ["public key used as a secret"] = Hmac(token, keyId, publicKey),
            ["expired"] = Mint(token, own, descriptor => descriptor.Expires = platform.Clock.GetUtcNow().UtcDateTime.AddMinutes(-5)),
            ["without an expiry"] = Mint(token, own, descriptor => descriptor.Expires = null),
            ["for another audience"] = Mint(token, own, descriptor => descriptor.Audience = "somebody-else"),
            ["from another issuer"] = Mint(token, own, descriptor => descriptor.Issuer = "https://elsewhere.example"),
            ["without a subject"] = Mint(token, own, descriptor => descriptor.Subject.TryRemoveClaim(descriptor.Subject.FindFirst("sub"))),
        };
    }

    /// <summary>The same token again, for proof that only what was changed makes a forgery.</summary>
    public static async Task<string> GenuineAsync(TestPlatform platform, string authority, string good)
    {
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(await platform.QueryAsync<byte[]>($"{authority}db", "SELECT private_key FROM signing_keys ORDER BY active_from LIMIT 1"), out _);
        return Mint(new(good), Rsa(rsa, (await platform.QueryAsync<string>($"{authority}db", "SELECT id FROM signing_keys ORDER BY active_from LIMIT 1"))!));
    }

    private static SigningCredentials Rsa(RSA rsa, string keyId) =>
        new(new RsaSecurityKey(rsa.ExportParameters(includePrivateParameters: true)) { KeyId = keyId }, SecurityAlgorithms.RsaSha256);

    private static string Mint(JsonWebToken token, SigningCredentials credentials, Action<SecurityTokenDescriptor>? change = null)
    {
        string[] standard = ["iss", "aud", "exp", "iat", "nbf"];
        var descriptor = new SecurityTokenDescriptor
        {
            Issuer = token.Issuer,
            Audience = token.Audiences.Single(),
            IssuedAt = token.IssuedAt,
            Expires = token.ValidTo,
            Subject = new ClaimsIdentity(token.Claims.Where(claim => !standard.Contains(claim.Type, StringComparer.Ordinal))),
            SigningCredentials = credentials,
        };
        change?.Invoke(descriptor);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(descriptor);
    }

    private static string Hmac(JsonWebToken token, string keyId, HMACSHA256 hmac)
    {
        var text = $"{Encode($$"""{"alg":"HS256","kid":"{{keyId}}","typ":"JWT"}""")}.{token.EncodedPayload}";
        return $"{text}.{Base64UrlEncoder.Encode(hmac.ComputeHash(Encoding.ASCII.GetBytes(text)))}";
    }

    private static string Encode(string json) => Base64UrlEncoder.Encode(Encoding.UTF8.GetBytes(json));
}
