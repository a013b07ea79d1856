using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace MicroPlatform.ServiceDefaults.Accounts;

/// <summary>An access token and a refresh token.</summary>
/// <param name="AccessToken">Send it as <c>Authorization: Bearer ...</c>.</param>
/// <param name="TokenType">Always <c>Bearer</c>.</param>
/// <param name="ExpiresIn">Life of the access token, in seconds.</param>
/// <param name="RefreshToken">Exchange it for the next pair. If it is sent again more than 10 seconds later, the session ends.</param>
public sealed record TokenPair(string AccessToken, string TokenType, int ExpiresIn, string RefreshToken)
{
    /// <summary>An example for the API reference.</summary>
    public static readonly TokenPair Example = new(
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIzIn0.c2lnbmF0dXJl", "Bearer", 900, "Ya7oVv9cJ4b2u3Wq0x8LkR1tZ5sN6dHfGmPeQiBnTyE");
}

/// <summary>A refresh token.</summary>
public sealed record RefreshRequest
{
    /// <summary>The refresh token.</summary>
    [Required, StringLength(200)]
    public string? RefreshToken { get; init; }
}

/// <summary>Signing in, staying signed in and signing out, for any kind of account.</summary>
public sealed class SignIn<TContext, TAccount, TKey>
    where TContext : AccountsDbContext<TAccount, TKey>
    where TAccount : Account<TKey>
    where TKey : struct, IParsable<TKey>
{
    private const string WrongPassword = "The name or the password is wrong.";

    /// <summary>
    /// How long a used refresh token is still accepted, because its answer was lost or a second tab sent it too (RFC 9700, 4.14.2).
    /// </summary>
    private static readonly TimeSpan RefreshLeeway = TimeSpan.FromSeconds(10);

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false, MapInboundClaims = false };

    private static readonly Func<TContext, Guid, TKey, DateTimeOffset, CancellationToken, Task<TAccount?>> FindLiveAsync =
        EF.CompileAsyncQuery((TContext db, Guid sessionId, TKey accountId, DateTimeOffset now, CancellationToken _) => db.Sessions
            .Where(session => session.Id == sessionId && session.AccountId.Equals(accountId) && session.ExpiresAt > now)
            .Join(db.Accounts, session => session.AccountId, account => account.Id, (_, account) => account)
            .AsNoTracking()
            .SingleOrDefault());

    private readonly TContext db;
    private readonly AccountAuthority authority;
    private readonly TimeProvider time;
    private readonly AccountOptions options;
    private readonly PasswordHasher<object> hasher;
    private readonly SignInAttempts attempts;
    private readonly SigningKeys<TContext> keys;
    private readonly TokenValidationParameters validation;

    internal SignIn(
        TContext db, AccountAuthority authority, SigningKeys<TContext> keys, IOptions<AccountOptions> options, TimeProvider time,
        IHttpContextAccessor caller, IOptionsMonitor<JwtBearerOptions> bearer)
    {
        this.db = db;
        this.authority = authority;
        this.time = time;
        this.options = options.Value;
        hasher = Passwords.Hasher(this.options.HashIterations);
        this.keys = keys;
        attempts = new(db, this.options, time, caller);
        validation = bearer.Get(authority.Issuer).TokenValidationParameters;
    }

    /// <summary>The hash to store for a new password.</summary>
    public string Hash(string password) => hasher.Hash(password);

    /// <summary>Signs in: starts a session and gives its first tokens.</summary>
    /// <param name="name">The name as given.</param>
    /// <param name="looksLikeName">Whether it has the form of a name; if not, it is not looked up or counted, and the answer is that of a
    /// wrong password.</param>
    /// <param name="password">The password as given.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <exception cref="ProblemException">401 when name and password do not match, 429 after too many failures.</exception>
    public async Task<TokenPair> StartAsync(string name, bool looksLikeName, string password, CancellationToken cancellationToken)
    {
        var limits = looksLikeName ? attempts.LimitsOfSignIn(name) : [];
        await attempts.RequireAllowedAsync(limits, cancellationToken);
        var account = looksLikeName ? await db.FindByNameAsync(name, cancellationToken) : null;
        // An unknown name takes the same work, so that the time does not reveal whether it exists.
        var verified = hasher.Verify(account?.PasswordHash ?? authority.DummyPasswordHash(this), password);
        if (account is null || verified == PasswordVerificationResult.Failed)
        {
            SignInAttempts.Refused.Add(1);
            await attempts.CountFailureAsync(limits, cancellationToken);
            throw ProblemException.Unauthorized(WrongPassword);
        }

        // Checked again after hashing, so that parallel guesses gain nothing.
        await attempts.RequireAllowedAsync(limits, cancellationToken);
        var pair = await db.InTransactionAsync(async token =>
        {
            if (!await IsStillAsync(account, password, token))
            {
                throw ProblemException.Unauthorized(WrongPassword);
            }

            await attempts.ForgetOwnFailuresAsync(limits, token);
            return await StartSessionAsync(account, token);
        }, cancellationToken);
        if (verified == PasswordVerificationResult.SuccessRehashNeeded)
        {
            var renewed = Hash(password);
            await db.Accounts.Where(a => a.Id.Equals(account.Id) && a.PasswordHash == account.PasswordHash)
                .ExecuteUpdateAsync(a => a.SetProperty(x => x.PasswordHash, renewed), cancellationToken);
        }

        return pair;
    }

    /// <summary>Starts a session for an account that is already authenticated, for example after a password change.</summary>
    public async Task<TokenPair> StartSessionAsync(TAccount account, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var session = new Session<TKey> { AccountId = account.Id, StartedAt = now, ExpiresAt = now + options.SessionLifetime };
        db.Add(session);
        var pair = await IssueAsync(account, session.Id, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        return pair;
    }

    /// <summary>
    /// Exchanges a refresh token for the next pair. Within 10 seconds of the first use, the same token gives another pair.
    /// </summary>
    /// <exception cref="ProblemException">
    /// 401 when it is unknown, expired, or was first used too long ago. The last case also ends the session, because the token was probably
    /// stolen.
    /// </exception>
    public async Task<TokenPair> RefreshAsync(string refreshToken, CancellationToken cancellationToken)
    {
        var hash = HashOf(refreshToken);
        var now = time.GetUtcNow();
        var usableSince = now - RefreshLeeway;
        var pair = await db.InTransactionAsync(async token =>
        {
            // Serializes concurrent uses of one token and the end of its session.
            var session = await db.Sessions.FromSql(
                $"SELECT * FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = {hash}) FOR UPDATE")
                .AsNoTracking().SingleOrDefaultAsync(token);
            if (session is null || session.ExpiresAt <= now)
            {
                return null;
            }

            // The leeway counts from the first use: later ones do not renew it.
            var used = await db.RefreshTokens.Where(row => row.Hash == hash && (row.UsedAt == null || row.UsedAt >= usableSince))
                .ExecuteUpdateAsync(row => row.SetProperty(r => r.UsedAt, r => r.UsedAt ?? now), token);
            if (used == 0)
            {
                await db.Sessions.Where(s => s.Id == session.Id).ExecuteDeleteAsync(token);
                return null;
            }

            var account = await db.Accounts.AsNoTracking().SingleAsync(a => a.Id.Equals(session.AccountId), token);
            var next = await IssueAsync(account, session.Id, token);
            await db.SaveChangesAsync(token);
            return next;
        }, cancellationToken);
        return pair ?? throw ProblemException.Unauthorized("This refresh token is not, or no longer, valid; sign in again.");
    }

    /// <summary>The account of an access token in a message, with the same checks as for the token of a request.</summary>
    /// <returns>Null when the token is malformed, forged or expired, or its session has ended.</returns>
    public async Task<TAccount?> FindAccountAsync(string accessToken, CancellationToken cancellationToken)
    {
        var parameters = validation.Clone();
        parameters.IssuerSigningKeys = await keys.GetValidationKeysAsync(cancellationToken);
        var result = await Handler.ValidateTokenAsync(accessToken, parameters);
        if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
        {
            keys.RequestRefresh(); // another replica may have created a key
        }

        return result.IsValid ? await FindAccountAsync(result.ClaimsIdentity, cancellationToken) : null;
    }

    /// <summary>The account of a verified token; null when its session has ended.</summary>
    internal async Task<TAccount?> FindAccountAsync(ClaimsIdentity token, CancellationToken cancellationToken) =>
        Guid.TryParse(token.FindFirst(JwtRegisteredClaimNames.Sid)?.Value, out var sessionId)
            && TKey.TryParse(token.FindFirst(JwtRegisteredClaimNames.Sub)?.Value, CultureInfo.InvariantCulture, out var accountId)
                ? await FindLiveAsync(db, sessionId, accountId, time.GetUtcNow(), cancellationToken)
                : null;

    /// <summary>Ends the session that the refresh token belongs to; an unknown one is no error, since there is nothing to end.</summary>
    public Task EndAsync(string refreshToken, CancellationToken cancellationToken)
    {
        var hash = HashOf(refreshToken);
        return db.Sessions.Where(session => db.RefreshTokens.Any(row => row.Hash == hash && row.SessionId == session.Id))
            .ExecuteDeleteAsync(cancellationToken);
    }

    /// <summary>Ends every session of the account.</summary>
    public Task EndAllAsync(TKey accountId, CancellationToken cancellationToken) =>
        db.Sessions.Where(session => session.AccountId.Equals(accountId)).ExecuteDeleteAsync(cancellationToken);

    /// <summary>Changes the password for its owner, ends every session and starts a new one.</summary>
    /// <param name="account">The account, not tracked.</param>
    /// <param name="request">The present and the new password.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <exception cref="ProblemException">400 on <c>currentPassword</c> when it is missing or wrong, 429 after too many
    /// failures.</exception>
    public async Task<TokenPair> ChangePasswordAsync(TAccount account, PasswordChange request, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(request.CurrentPassword))
        {
            throw ProblemException.Invalid("currentPassword", "Your own password is changed only with the current one.");
        }

        var limits = attempts.LimitsOfPasswordChange($"{account.Id}");
        await attempts.RequireAllowedAsync(limits, cancellationToken);
        if (hasher.Verify(account.PasswordHash, request.CurrentPassword) == PasswordVerificationResult.Failed)
        {
            await attempts.CountFailureAsync(limits, cancellationToken);
            throw ProblemException.Invalid("currentPassword", "This is not the current password.");
        }

        await attempts.RequireAllowedAsync(limits, cancellationToken); // checked again after hashing, as at sign-in
        var hash = Hash(request.NewPassword!);
        return await db.InTransactionAsync(async token =>
        {
            await SetPasswordAsync(account, hash, token);
            return await StartSessionAsync(account, token);
        }, cancellationToken);
    }

    /// <summary>
    /// Sets the password of another person's account and ends its sessions. It returns no tokens, because only the owner may get them.
    /// </summary>
    public Task ResetPasswordAsync(TAccount account, string newPassword, CancellationToken cancellationToken)
    {
        var hash = Hash(newPassword);
        return db.InTransactionAsync(async token => await SetPasswordAsync(account, hash, token), cancellationToken);
    }

    private async Task<int> SetPasswordAsync(TAccount account, string hash, CancellationToken cancellationToken)
    {
        // Attached here, because a new transaction starts with an empty change tracker.
        db.Attach(account).Property(a => a.PasswordHash).CurrentValue = hash;
        db.Entry(account).Property(a => a.PasswordHash).IsModified = true;
        var saved = await db.SaveChangesAsync(cancellationToken);
        await EndAllAsync(account.Id, cancellationToken);
        return saved;
    }

    /// <summary>
    /// Whether the account still exists and has this password. The row stays locked until the transaction
    /// ends, so a concurrent password change waits, finds the new session and ends it with the others.
    /// </summary>
    private async Task<bool> IsStillAsync(TAccount account, string password, CancellationToken cancellationToken)
    {
        var table = db.Model.FindEntityType(typeof(TAccount))!.GetTableName();
        var sql = $"""SELECT password_hash AS "Value" FROM {table} WHERE id = @id FOR SHARE""";
        var hashes = await db.Database.SqlQueryRaw<string>(sql, new Npgsql.NpgsqlParameter<TKey>("id", account.Id))
            .ToListAsync(cancellationToken);
        return hashes is [var hash]
            && (string.Equals(hash, account.PasswordHash, StringComparison.Ordinal)
                || hasher.Verify(hash, password) != PasswordVerificationResult.Failed);
    }

    private async Task<TokenPair> IssueAsync(TAccount account, Guid sessionId, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var access = Handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = authority.Issuer,
            Audience = Issuers.Audience,
            IssuedAt = now.UtcDateTime,
            Expires = (now + options.AccessTokenLifetime).UtcDateTime,
            Subject = new ClaimsIdentity([
                new(JwtRegisteredClaimNames.Sub, account.Id.ToString()!),
                new(JwtRegisteredClaimNames.Jti, Guid.NewGuid().ToString("N")),
                new(JwtRegisteredClaimNames.Sid, sessionId.ToString("N")),
                new("role", account.Role),
            ]),
            SigningCredentials = await keys.GetSigningCredentialsAsync(cancellationToken),
        });
        var refresh = WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(32));
        db.Add(new RefreshToken { Hash = HashOf(refresh), SessionId = sessionId });
        return new(access, "Bearer", (int)options.AccessTokenLifetime.TotalSeconds, refresh);
    }

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
