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
/// constraint, written in the transaction of the work: equal requests wait for one another there, and a failed one leaves no trace.
/// </summary>
public static class Idempotency
{
    /// <summary>The request header.</summary>
    public const string HeaderName = "Idempotency-Key";

    /// <summary>The longest key, in characters.</summary>
    public const int MaxKeyLength = 255;

    /// <summary>How long an answer is replayed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    private static readonly string[] ReplayedHeaders = ["Content-Type", "Location", "ETag", "Cache-Control"];

    /// <summary>
    /// Lets the endpoint honour <c>Idempotency-Key</c>; its work must go through <typeparamref name="TContext"/>. Not for bodies with a
    /// password, since a hash of the body is kept, and not for anonymous callers, who would share their keys.
    /// </summary>
    public static RouteHandlerBuilder WithIdempotency<TContext>(this RouteHandlerBuilder endpoint)
        where TContext : ServiceDbContext =>
        endpoint.WithMetadata(new IdempotentAttribute(typeof(TContext))).ProducesProblem(StatusCodes.Status422UnprocessableEntity);

    internal static void UseIdempotency(this WebApplication app) => app.Use((context, next) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IdempotentAttribute>() is { } idempotent && context.Request.Headers.TryGetValue(HeaderName, out var key)
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

        var caller = CallerOf(context.User);
        var fingerprint = await FingerprintAsync(context.Request, cancellationToken);
        var wire = context.Response.Body;
        using var buffer = new MemoryStream();
        context.Response.Body = buffer;
        try
        {
            await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                // Everything starts afresh when the connection was lost and the strategy tries again.
                db.ChangeTracker.Clear();
                buffer.SetLength(0);
                context.Request.Body.Position = 0;
                await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
                if (!await ClaimAsync(db, caller, key, fingerprint, context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow(), cancellationToken))
                {
                    await ReplayAsync(context, db, caller, key, fingerprint, cancellationToken);
                    return;
                }

                await next(context);
                if (context.Response.StatusCode is >= 200 and < 300)
                {
                    var status = context.Response.StatusCode;
                    var headers = JsonSerializer.Serialize(ReplayedHeaders
                        .Where(context.Response.Headers.ContainsKey)
                        .ToDictionary(name => name, name => context.Response.Headers[name].ToString(), StringComparer.Ordinal));
                    var body = buffer.ToArray();
                    await db.IdempotencyKeys.Where(row => row.Caller == caller && row.Key == key).ExecuteUpdateAsync(
                        row => row.SetProperty(r => r.Status, status).SetProperty(r => r.Headers, headers).SetProperty(r => r.Body, body), cancellationToken);
                    await transaction.CommitAsync(cancellationToken);
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

    /// <summary>True for the first; an equal request at the same moment waits here until the first has committed or given up.</summary>
    private static async Task<bool> ClaimAsync(ServiceDbContext db, string caller, string key, byte[] fingerprint, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var expired = now - Lifetime;
        return await db.Database.ExecuteSqlAsync($"""
            INSERT INTO idempotency_keys (caller, key, fingerprint, status, created_at) VALUES ({caller}, {key}, {fingerprint}, 0, {now})
            ON CONFLICT (caller, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = 0, headers = NULL, body = NULL, created_at = excluded.created_at
            WHERE idempotency_keys.created_at < {expired}
            """, cancellationToken) == 1;
    }

    private static async Task ReplayAsync(HttpContext context, ServiceDbContext db, string caller, string key, byte[] fingerprint, CancellationToken cancellationToken)
    {
        var first = await db.IdempotencyKeys.AsNoTracking().SingleAsync(row => row.Caller == caller && row.Key == key, cancellationToken);
        if (!first.Fingerprint.AsSpan().SequenceEqual(fingerprint))
        {
            throw ProblemException.Unprocessable("This Idempotency-Key was used for another request; take a new key for a new request.");
        }

        context.Response.StatusCode = first.Status;
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, string>>(first.Headers!)!)
        {
            context.Response.Headers[name] = value;
        }

        await context.Response.Body.WriteAsync(first.Body, cancellationToken);
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
