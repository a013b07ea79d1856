using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// <c>Idempotency-Key</c>: the first successful answer is replayed to the same caller for 24 hours. The key is a row with a unique
/// constraint, written in the transaction of the work. Equal requests wait for each other at this row, and a failed request leaves no row.
/// </summary>
public static class Idempotency
{
    /// <summary>The request header.</summary>
    public const string HeaderName = "Idempotency-Key";

    /// <summary>The longest key, in characters.</summary>
    public const int MaxKeyLength = 255;

    /// <summary>How long an answer is replayed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    /// <summary>
    /// Lets the endpoint honour <c>Idempotency-Key</c>. The endpoint must call other services first and then change
    /// <typeparamref name="TContext"/>, through <c>SaveChangesAsync</c> or <see cref="Postgres.InTransactionAsync"/>.
    /// </summary>
    public static RouteHandlerBuilder WithIdempotency<TContext>(this RouteHandlerBuilder endpoint)
        where TContext : ServiceDbContext =>
        endpoint.WithMetadata(new IdempotentAttribute(typeof(TContext)));

    internal static void UseIdempotency(this WebApplication app) => app.Use((context, next) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IdempotentAttribute>() is { } idempotent
            && context.Request.Headers.TryGetValue(HeaderName, out var key)
            && context.User.HasClaim(claim => claim.Type is "sub") // anonymous callers would share their keys
            ? RunOnceAsync(context, (ServiceDbContext)context.RequestServices.GetRequiredService(idempotent.Context), key, next)
            : next(context));

    private static async Task RunOnceAsync(HttpContext context, ServiceDbContext db, StringValues header, RequestDelegate next)
    {
        var cancellationToken = context.RequestAborted;
        if (header is not [{ Length: > 0 and <= MaxKeyLength } key])
        {
            throw ProblemException.Invalid(HeaderName, $"Send one key of 1 to {MaxKeyLength} characters.");
        }

        var now = context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
        var claim = new IdempotencyClaim(CallerOf(context.User), key, await FingerprintAsync(context.Request, cancellationToken), now);
        var wire = context.Response.Body;
        using var buffer = new MemoryStream();
        context.Response.Body = buffer;
        try
        {
            await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                // The execution strategy may run this again after a lost connection.
                db.ChangeTracker.Clear();
                buffer.SetLength(0);
                context.Request.Body.Position = 0;
                if (!await claim.TryReplayAsync(context.Response, db, cancellationToken))
                {
                    await AnswerAsync(context, db, claim, buffer, next);
                }
            });
        }
        finally
        {
            context.Response.Body = wire;
        }

        buffer.Position = 0;
        await buffer.CopyToAsync(wire, cancellationToken);
    }

    /// <summary>
    /// Runs the endpoint. The transaction begins with the endpoint's first change (<see cref="Postgres.InTransactionAsync"/>), so the
    /// endpoint holds no connection while it calls other services before that. The answer is stored in the same transaction.
    /// </summary>
    private static async Task AnswerAsync(
        HttpContext context, ServiceDbContext db, IdempotencyClaim claim, MemoryStream answer, RequestDelegate next)
    {
        db.Claim = claim;
        try
        {
            await next(context);
            if (context.Response.StatusCode is >= 200 and < 300 && db.Database.CurrentTransaction is { } transaction)
            {
                await claim.StoreAsync(context.Response, answer.ToArray(), db, context.RequestAborted);
                await transaction.CommitAsync(context.RequestAborted);
                db.RunCommitted();
            }
        }
        catch (AlreadyAnsweredException)
        {
            // An equal request began at the same moment and committed first.
            await db.Database.RollbackTransactionAsync(context.RequestAborted);
            await claim.TryReplayAsync(context.Response, db, context.RequestAborted);
        }
        finally
        {
            db.Claim = null;
            if (db.Database.CurrentTransaction is { } unfinished)
            {
                await unfinished.DisposeAsync();
            }
        }
    }

    private static string CallerOf(ClaimsPrincipal user) => $"{user.FindFirstValue("iss")}/{user.FindFirstValue("sub")}";

    private static async Task<byte[]> FingerprintAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        request.EnableBuffering();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}\n"));
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, cancellationToken);
        hash.AppendData(body.GetBuffer(), 0, (int)body.Length);
        return hash.GetHashAndReset();
    }
}

/// <summary>The endpoint honours <c>Idempotency-Key</c> within the database of this context.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class IdempotentAttribute(Type context) : Attribute
{
    public Type Context { get; } = context;
}

/// <summary>The idempotency key of a request and the operations on its row.</summary>
internal sealed class IdempotencyClaim(string caller, string key, byte[] fingerprint, DateTimeOffset now)
{
    private static readonly string[] ReplayedHeaders = ["Content-Type", "Location", "ETag", "Cache-Control"];

    /// <summary>Writes the key's row; a concurrent equal request waits here until the first one commits or rolls back.</summary>
    /// <exception cref="AlreadyAnsweredException">The key has its answer already.</exception>
    public async Task RequireFirstAsync(ServiceDbContext db, CancellationToken cancellationToken)
    {
        var expired = now - Idempotency.Lifetime;
        var isFirst = await db.Database.ExecuteSqlAsync($"""
            INSERT INTO idempotency_keys (caller, key, fingerprint, status, created_at) VALUES ({caller}, {key}, {fingerprint}, 0, {now})
            ON CONFLICT (caller, key) DO UPDATE
            SET fingerprint = excluded.fingerprint, status = 0, headers = NULL, body = NULL, created_at = excluded.created_at
            WHERE idempotency_keys.created_at < {expired}
            """, cancellationToken) == 1;
        if (!isFirst)
        {
            throw new AlreadyAnsweredException();
        }
    }

    /// <summary>Stores the answer in the key's row.</summary>
    public async Task StoreAsync(HttpResponse response, byte[] body, ServiceDbContext db, CancellationToken cancellationToken)
    {
        var status = response.StatusCode;
        var headers = JsonSerializer.Serialize(ReplayedHeaders
            .Where(response.Headers.ContainsKey)
            .ToDictionary(name => name, name => response.Headers[name].ToString(), StringComparer.Ordinal));
        await db.IdempotencyKeys.Where(row => row.Caller == caller && row.Key == key).ExecuteUpdateAsync(
            row => row.SetProperty(r => r.Status, status).SetProperty(r => r.Headers, headers).SetProperty(r => r.Body, body),
            cancellationToken);
    }

    /// <summary>Writes the answer that the key has.</summary>
    /// <returns>Whether it has one.</returns>
    /// <exception cref="ProblemException">422 when the key was used for another request.</exception>
    public async Task<bool> TryReplayAsync(HttpResponse response, ServiceDbContext db, CancellationToken cancellationToken)
    {
        var expired = now - Idempotency.Lifetime;
        var first = await db.IdempotencyKeys.AsNoTracking()
            .SingleOrDefaultAsync(row => row.Caller == caller && row.Key == key && row.CreatedAt >= expired, cancellationToken);
        if (first is null)
        {
            return false;
        }

        if (!first.Fingerprint.AsSpan().SequenceEqual(fingerprint))
        {
            throw ProblemException.Unprocessable("This Idempotency-Key was used for another request; take a new key for a new request.");
        }

        response.StatusCode = first.Status;
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, string>>(first.Headers!)!)
        {
            response.Headers[name] = value;
        }

        await response.Body.WriteAsync(first.Body, cancellationToken);
        return true;
    }
}

/// <summary>Ends the work of a request whose key has its answer already.</summary>
internal sealed class AlreadyAnsweredException() : Exception("The key of this request has its answer already.");
