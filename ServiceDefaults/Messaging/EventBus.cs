using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using Rebus.Bus;
using Rebus.Config.Outbox;
using Rebus.Pipeline;
using Rebus.Transport;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Sends and handles events in the same transaction as the work they belong to.</summary>
public sealed class EventBus<TContext>(TContext db, IBus bus, OutboxSignal outbox, TimeProvider time)
    where TContext : ServiceDbContext
{
    private static IMessageContext CurrentMessage =>
        MessageContext.Current ?? throw new InvalidOperationException("There is a message only inside a message handler.");

    /// <summary>
    /// Runs <paramref name="work"/> and stores the events of its list in one transaction; they are sent if and only if it commits.
    /// Joins the open transaction if there is one. The work may run again when the connection is lost.
    /// </summary>
    public Task<T> CommitAsync<T>(Func<ICollection<object>, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        db.InTransactionAsync(async token =>
        {
            var events = new List<object>();
            var result = await work(events, token);
            using var scope = new RebusTransactionScope();
            var transaction = (NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction();
            scope.UseOutbox((NpgsqlConnection)db.Database.GetDbConnection(), transaction);
            foreach (var happened in events)
            {
                await bus.Publish(happened);
            }

            await scope.CompleteAsync();
            if (events.Count > 0)
            {
                outbox.Expect(transaction);
            }

            return result;
        }, cancellationToken);

    /// <summary>
    /// Runs <paramref name="work"/> in one transaction and then publishes the replies it returns. They bypass the
    /// outbox. If the process dies in between, the message is delivered again, so the work must be idempotent and return the same replies.
    /// </summary>
    public async Task ReplyAsync(Func<CancellationToken, Task<IEnumerable<object>>> work)
    {
        var replies = await db.InTransactionAsync(work, CurrentMessage.IncomingStepContext.Load<CancellationToken>());
        using var scope = new RebusTransactionScope();
        foreach (var reply in replies)
        {
            await bus.Publish(reply);
        }

        await scope.CompleteAsync();
    }

    /// <summary>
    /// Runs <paramref name="work"/> for the current message unless <paramref name="consumer"/> has handled it before. The inbox row is
    /// written in the same transaction.
    /// </summary>
    /// <returns>False when the message was a redelivery.</returns>
    public Task<bool> HandleOnceAsync(string consumer, Func<CancellationToken, Task> work)
    {
        var message = CurrentMessage;
        return db.InTransactionAsync(async token =>
        {
            var id = message.Headers[Rebus.Messages.Headers.MessageId];
            var isFirst = await db.Database.ExecuteSqlAsync(
                $"""
                INSERT INTO inbox_messages (consumer, message_id, handled_at)
                VALUES ({consumer}, {id}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING
                """,
                token) == 1;
            if (isFirst)
            {
                await work(token);
            }

            return isFirst;
        }, message.IncomingStepContext.Load<CancellationToken>());
    }
}
