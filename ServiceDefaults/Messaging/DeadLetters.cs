using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Rebus.Messages;
using Rebus.Retry;
using Rebus.Serialization;
using Rebus.Transport;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>An event that a service could not handle (a dead letter).</summary>
/// <param name="Id">The id of the dead letter. The event gets a new one if it fails again.</param>
/// <param name="Event">The event's type name.</param>
/// <param name="At">When it became a dead letter (UTC).</param>
/// <param name="Queue">The service that could not handle it.</param>
/// <param name="Reason">The error of the last attempt.</param>
/// <param name="OrderId">The order that the event concerns, if any.</param>
/// <param name="TraceId">The trace id of the request that caused the event.</param>
public sealed record DeadLetter(long Id, string Event, DateTimeOffset At, string Queue, string Reason, long? OrderId, string? TraceId);

/// <summary>
/// The dead letters, read from the table of the PostgreSQL transport. Another transport needs its own tools for this.
/// </summary>
public sealed class DeadLetters<TContext>(TContext db, [FromKeyedServices(DeadLetters.Bus)] NpgsqlDataSource bus, TimeProvider time)
    where TContext : ServiceDbContext
{
    private const string RetryNote = "dead-letters.retry";

    private static readonly HeaderSerializer HeaderSerializer = new();

    /// <summary>One page of dead letters, oldest first.</summary>
    /// <exception cref="ProblemException">400 on <c>cursor</c> when it is not one that a page of this list gave.</exception>
    public async Task<Page<DeadLetter>> ListAsync(PageQuery page, CancellationToken cancellationToken)
    {
        var limit = page.Limit ?? PageQuery.DefaultLimit;
        await using var command =
            bus.CreateCommand("SELECT id, headers, body FROM messages WHERE recipient = $1 AND id > $2 ORDER BY id LIMIT $3");
        command.Parameters.Add(new() { Value = MessagingExtensions.DeadLetterQueue });
        command.Parameters.Add(new() { Value = Paging.After<long>(page) ?? 0 });
        command.Parameters.Add(new() { Value = limit + 1 });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new List<DeadLetter>();
        while (await reader.ReadAsync(cancellationToken))
        {
            found.Add(Read(
                reader.GetInt32(0), HeaderSerializer.Deserialize(reader.GetFieldValue<byte[]>(1)), reader.GetFieldValue<byte[]>(2)));
        }

        return Paging.ToPage(found, limit, letter => letter.Id);
    }

    /// <summary>
    /// Returns an event to the service that could not handle it; a second time changes nothing.
    /// </summary>
    /// <exception cref="ProblemException">404 when nothing was ever set aside under this id.</exception>
    public async Task RetryAsync(long id, CancellationToken cancellationToken)
    {
        await using var connection = await bus.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var find = new NpgsqlCommand("SELECT headers FROM messages WHERE recipient = $1 AND id = $2 FOR UPDATE", connection);
        find.Parameters.Add(new() { Value = MessagingExtensions.DeadLetterQueue });
        find.Parameters.Add(new() { Value = id });
        var note = id.ToString(CultureInfo.InvariantCulture);
        if (await find.ExecuteScalarAsync(cancellationToken) is not byte[] found)
        {
            if (!await db.InboxMessages.AnyAsync(message => message.Consumer == RetryNote && message.MessageId == note, cancellationToken))
            {
                throw ProblemException.NotFound("dead letter", id);
            }

            return;
        }

        // Noted first, so that a repeated request gets the same answer.
        await db.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO inbox_messages (consumer, message_id, handled_at)
            VALUES ({RetryNote}, {note}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING
            """,
            cancellationToken);
        var headers = HeaderSerializer.Deserialize(found);
        var queue = headers[Headers.SourceQueue];
        foreach (var name in new[]
        {
            Headers.SourceQueue, Headers.ErrorDetails, Headers.DeferCount, DeadLetters.AtHeader, DeadLetters.ReasonHeader
        })
        {
            headers.Remove(name);
        }

        await using var move = new NpgsqlCommand(
            "UPDATE messages SET recipient = $3, headers = $4, visible = now() WHERE recipient = $1 AND id = $2", connection);
        move.Parameters.Add(new() { Value = MessagingExtensions.DeadLetterQueue });
        move.Parameters.Add(new() { Value = id });
        move.Parameters.Add(new() { Value = queue });
        move.Parameters.Add(new() { Value = HeaderSerializer.Serialize(headers) });
        await move.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static DeadLetter Read(long id, Dictionary<string, string> headers, byte[] body) => new(
        id,
        headers.GetValueOrDefault(Headers.Type, "unknown"),
        DateTimeOffset.Parse(headers[DeadLetters.AtHeader], CultureInfo.InvariantCulture),
        headers[Headers.SourceQueue],
        headers.GetValueOrDefault(DeadLetters.ReasonHeader, "unknown"),
        OrderOf(body),
        headers.GetValueOrDefault(DeadLetters.TraceHeader)?.Split('-') is [_, var trace, ..] ? trace : null);

    // No other field of the event is shown.
    private static long? OrderOf(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("orderId", out var order)
                && order.TryGetInt64(out var id)
                ? id
                : null;
        }
        catch (JsonException)
        {
            return null; // the body may be the reason
        }
    }
}

/// <summary>The headers that a dead letter carries.</summary>
public static class DeadLetters
{
    internal const string Bus = "busdb";
    internal const string TraceHeader = "traceparent";
    internal const string AtHeader = "dead-letter-at";
    internal const string ReasonHeader = "dead-letter-reason";

    private const int MaxReason = 500;

    /// <summary>Adds <see cref="DeadLetters{TContext}"/>, for the one service that shows them to staff.</summary>
    public static WebApplicationBuilder AddDeadLetters<TContext>(this WebApplicationBuilder builder)
        where TContext : ServiceDbContext
    {
        var bus = builder.GetPostgresConnectionString(Bus);
        builder.Services.AddKeyedSingleton(Bus, (_, _) => NpgsqlDataSource.Create(bus));
        builder.Services.AddScoped<DeadLetters<TContext>>();
        return builder;
    }

    /// <summary>
    /// The first paragraph of the innermost failure, in one line. Later paragraphs of database errors contain values of the row.
    /// </summary>
    internal static string ReasonOf(Exception failure)
    {
        var cause = failure.GetBaseException();
        var reason = $"{cause.GetType().Name}: {cause.Message.ReplaceLineEndings("\n").Split("\n\n")[0].ReplaceLineEndings(" ").TrimEnd()}";
        return reason.Length <= MaxReason ? reason : reason[..MaxReason];
    }

    /// <summary>Records when an event becomes a dead letter, and counts it.</summary>
    internal sealed class Recorder(IErrorHandler inner, MessagingTelemetry telemetry, TimeProvider time) : IErrorHandler
    {
        public async Task HandlePoisonMessage(
            TransportMessage transportMessage, ITransactionContext transactionContext, ExceptionInfo exception)
        {
            transportMessage.Headers[AtHeader] = time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture);
            await inner.HandlePoisonMessage(transportMessage, transactionContext, exception);
            telemetry.CountDeadLetter(transportMessage.Headers.GetValueOrDefault(Headers.Type, "unknown"));
        }
    }
}
