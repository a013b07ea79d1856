using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.WebUtilities;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>Makes tokens with one fault each, from a good token and the key that signed it.</summary>
internal sealed class Forgery
{
    private static readonly RSA OtherKey = RSA.Create(2048);
    private readonly string token;
    private readonly RSA key;
    private readonly string otherIssuer;
    private readonly DateTimeOffset now;

    private Forgery(string token, RSA key, string otherIssuer, DateTimeOffset now)
    {
        this.token = token;
        this.key = key;
        this.otherIssuer = otherIssuer;
        this.now = now;
    }

    /// <summary>Every kind of forgery.</summary>
    public static IReadOnlyDictionary<string, Func<Forgery, string>> All { get; } = new Dictionary<string, Func<Forgery, string>>(
        StringComparer.Ordinal)
    {
        ["one word"] = _ => "garbage",
        ["three empty parts"] = _ => "..",
        ["parts that are not base64"] = _ => "a.b.c",
        ["two parts"] = f => f.token[..f.token.LastIndexOf('.')],
        ["four parts"] = f => f.token + ".x",
        ["very long"] = _ => new string('a', 20_000),
        ["no signature"] = f => f.token[..(f.token.LastIndexOf('.') + 1)],
        ["a changed signature"] = f => Change(f.token, f.token.LastIndexOf('.') + 10),
        ["a changed payload"] = f => Change(f.token, f.token.IndexOf('.', StringComparison.Ordinal) + 20),
        ["signed by another key under our key's name"] = f => f.Make(signer: OtherKey),
        ["signed by an unknown key"] = f => f.Make(header: h => h["kid"] = "unknown", signer: OtherKey),
        ["a key of its own in the header"] = f => f.Make(header: h => h["jwk"] = PublicKey(OtherKey), signer: OtherKey),
        ["algorithm none"] = f => f.Unsigned("none"),
        ["algorithm None"] = f => f.Unsigned("None"),
        ["HS256 with the public key as the secret"] = f => f.Hmac(Encoding.ASCII.GetBytes(f.key.ExportSubjectPublicKeyInfoPem())),
        ["HS256 with the public modulus as the secret"] = f => f.Hmac(f.key.ExportParameters(includePrivateParameters: false).Modulus!),
        ["RS512 with the right key"] = f => f.Make(header: h => h["alg"] = "RS512", hash: HashAlgorithmName.SHA512),
        ["PS256 with the right key"] = f => f.Make(header: h => h["alg"] = "PS256", padding: RSASignaturePadding.Pss),
        ["expired"] = f => f.Make(p => p["exp"] = f.now.AddMinutes(-1).ToUnixTimeSeconds()),
        ["no exp"] = f => f.Make(p => p.Remove("exp")),
        ["exp as text"] = f => f.Make(p => p["exp"] = "tomorrow"),
        ["not valid before tomorrow"] = f => f.Make(p => p["nbf"] = f.now.AddDays(1).ToUnixTimeSeconds()),
        ["no sub"] = f => f.Make(p => p.Remove("sub")),
        ["a sub that is not a number"] = f => f.Make(p => p["sub"] = "admin"),
        ["the sub of somebody else"] = f => f.Make(p => p["sub"] = "1"),
        ["no sid"] = f => f.Make(p => p.Remove("sid")),
        ["a sid that does not exist"] = f => f.Make(p => p["sid"] = Guid.NewGuid().ToString("N")),
        ["no aud"] = f => f.Make(p => p.Remove("aud")),
        ["wrong aud"] = f => f.Make(p => p["aud"] = "somebody-else"),
        ["no iss"] = f => f.Make(p => p.Remove("iss")),
        ["wrong iss"] = f => f.Make(p => p["iss"] = "somebody-else"),
        ["iss of the other authority"] = f => f.Make(p => p["iss"] = f.otherIssuer),
        ["a payload that is not an object"] = f => f.Sign(f.token.Split('.')[0] + "." + WebEncoders.Base64UrlEncode("[1]"u8)),
    };

    /// <summary>Forgeries that only the authority itself detects, because only it knows its sessions.</summary>
    public static IReadOnlySet<string> KnownToTheAuthority { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "the sub of somebody else", "no sid", "a sid that does not exist"
    };

    /// <summary>Starts from a token of an authority (<c>customers</c> or <c>users</c>) and the signing key in its database.</summary>
    public static async Task<Forgery> CreateAsync(TestPlatform platform, string authority, string token)
    {
        var signing = RSA.Create();
        var stored = await platform.QueryAsync<byte[]>($"{authority}db",
            "SELECT private_key FROM signing_keys ORDER BY active_from LIMIT 1");
        signing.ImportEncryptedPkcs8PrivateKey(TestPlatform.KeySecret, stored, out _);
        return new(token, signing, authority is "users" ? Issuers.Customers : Issuers.Users, platform.Clock.GetUtcNow());
    }

    /// <summary>Every forgery by its name.</summary>
    public IReadOnlyDictionary<string, string> Tokens() =>
        All.ToDictionary(pair => pair.Key, pair => pair.Value(this), StringComparer.Ordinal);

    /// <summary>Makes the token again with changes and signs it as the authority would; without changes it is valid.</summary>
    public string Make(
        Action<JsonObject>? payload = null, Action<JsonObject>? header = null, RSA? signer = null, HashAlgorithmName? hash = null,
        RSASignaturePadding? padding = null) =>
        Sign(Content(payload, header), signer, hash, padding);

    private static string Change(string token, int index) => token[..index] + (token[index] == 'A' ? 'B' : 'A') + token[(index + 1)..];

    private static JsonObject PublicKey(RSA key) => new()
    {
        ["kty"] = "RSA",
        ["n"] = WebEncoders.Base64UrlEncode(key.ExportParameters(includePrivateParameters: false).Modulus!),
        ["e"] = "AQAB",
    };

    private string Sign(string content, RSA? signer = null, HashAlgorithmName? hash = null, RSASignaturePadding? padding = null) =>
        content + "." + WebEncoders.Base64UrlEncode(
        (signer ?? key).SignData(Encoding.ASCII.GetBytes(content), hash ?? HashAlgorithmName.SHA256, padding ?? RSASignaturePadding.Pkcs1));

    private string Unsigned(string algorithm) => Content(payload: null, h => h["alg"] = algorithm) + ".";

    private string Hmac(byte[] secret)
    {
        var content = Content(payload: null, h => h["alg"] = "HS256");
        return content + "." + WebEncoders.Base64UrlEncode(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(content)));
    }

    private string Content(Action<JsonObject>? payload, Action<JsonObject>? header)
    {
        var parts = token.Split('.').Take(2).Select(part => JsonNode.Parse(WebEncoders.Base64UrlDecode(part))!.AsObject()).ToArray();
        header?.Invoke(parts[0]);
        payload?.Invoke(parts[1]);
        return string.Join('.', parts.Select(part => WebEncoders.Base64UrlEncode(Encoding.UTF8.GetBytes(part.ToJsonString()))));
    }
}
