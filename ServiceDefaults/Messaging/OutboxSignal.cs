using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Rebus.Logging;
using Rebus.PostgreSql.Outbox;
using Rebus.Threading;
using Rebus.Transport;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// Runs the library's outbox forwarder as soon as a transaction with events has committed. It also runs at the start and every few
/// seconds, for the events of a replica that was killed after its commit.
/// </summary>
public sealed class OutboxSignal : DbTransactionInterceptor, IDisposable
{
    private readonly TimeSpan fallback;
    private readonly ConditionalWeakTable<DbTransaction, object> withEvents = [];
    private readonly SemaphoreSlim committed = new(0);

    internal OutboxSignal(TimeSpan fallback) => this.fallback = fallback;

    /// <summary>Records that the transaction stores events.</summary>
    internal void Expect(DbTransaction transaction) => withEvents.AddOrUpdate(transaction, this);

    /// <inheritdoc />
    public override Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TransactionCommitted(transaction, eventData);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (withEvents.Remove(transaction) && committed.CurrentCount == 0)
        {
            committed.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => committed.Dispose();

    /// <summary>Starts the forwarder by this signal instead of the library's interval.</summary>
    internal sealed class TaskFactory(IAsyncTaskFactory inner, OutboxSignal signal, IRebusLoggerFactory loggers) : IAsyncTaskFactory
    {
        public IAsyncTask Create(string description, Func<Task> action, bool prettyInsignificant = false, int intervalSeconds = 10) =>
            IsForwarder(action)
                ? new Forwarding(action, signal, loggers.GetLogger<OutboxSignal>())
                : inner.Create(description, action, prettyInsignificant, intervalSeconds);

        // The library's assembly for PostgreSQL has two tasks: this one, and one of its transport.
        private static bool IsForwarder(Func<Task> action) =>
            action.Target is { } owner and not ITransport && owner.GetType().Assembly == typeof(IOutboxStorage).Assembly;
    }

    private sealed class Forwarding(Func<Task> forward, OutboxSignal signal, ILog log) : IAsyncTask
    {
        private static readonly TimeSpan ErrorDelay = TimeSpan.FromSeconds(1);
        private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);

        private Task running = Task.CompletedTask;
        private volatile bool isStopped;

        public void Start() => running = Task.Run(RunAsync);

        public void Dispose()
        {
            isStopped = true;
            signal.committed.Release();
            running.Wait(StopTimeout);
        }

        private async Task RunAsync()
        {
            while (!isStopped)
            {
                var pause = signal.fallback;
                try
                {
                    await forward();
                }
                catch (Exception failure) when (!isStopped)
                {
                    log.Warn("The events in the outbox could not be sent yet: {exception}", failure);
                    pause = ErrorDelay;
                }
                catch (OperationCanceledException)
                {
                    return;
                }

                await signal.committed.WaitAsync(pause);
            }
        }
    }
}
