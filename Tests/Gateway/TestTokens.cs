using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Json;
using MicroPlatform.ServiceDefaults;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.Tests.Gateway;

/// <summary>
/// Makes valid and forged tokens. <see cref="FakeService"/> publishes the key of the valid ones.
/// </summary>
internal static class TestTokens
{
    public static readonly RsaSecurityKey Key = new(RSA.Create(2048)) { KeyId = "test-1" };

    /// <summary>The key set with the public half of <see cref="Key"/>.</summary>
    public static string KeySet => KeySetOf(Key);

    /// <summary>The key set with the public half of a key.</summary>
    public static string KeySetOf(RsaSecurityKey key)
    {
        var parameters = key.Rsa.ExportParameters(includePrivateParameters: false);
        return JsonSerializer.Serialize(new
        {
            keys = new[]
            {
                new
                {
                    kty = "RSA",
                    use = "sig",
                    alg = "RS256",
                    kid = key.KeyId,
                    n = Base64UrlEncoder.Encode(parameters.Modulus),
                    e = Base64UrlEncoder.Encode(parameters.Exponent),
                },
            },
        });
    }

    public static string Customer(string subject = "3") => Make(Issuers.Customers, subject, "customer");

    public static string User(string subject = "0190d3a0-0000-7000-8000-000000000001", string role = "user") =>
        Make(Issuers.Users, subject, role);

    /// <summary>A good token, except for the given change.</summary>
    public static string Make(string issuer, string? subject, string role, Action<SecurityTokenDescriptor>? change = null)
    {
        var claims = new List<Claim> { new("role", role), new("jti", Guid.NewGuid().ToString("N")) };
        if (subject is not null)
        {
            claims.Add(new("sub", subject));
        }

        var descriptor = new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = Issuers.Audience,
            IssuedAt = DateTime.UtcNow,
            Expires = DateTime.UtcNow.AddMinutes(15),
            Subject = new ClaimsIdentity(claims),
            SigningCredentials = new(Key, SecurityAlgorithms.RsaSha256),
        };
        change?.Invoke(descriptor);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(descriptor);
    }

    /// <summary>A token of the given header and claims, with any text as its signature.</summary>
    public static string Raw(object header, object claims, string signature = "") =>
        $"{Encode(header)}.{Encode(claims)}.{signature}";

    private static string Encode(object part) => Base64UrlEncoder.Encode(JsonSerializer.SerializeToUtf8Bytes(part));
}
