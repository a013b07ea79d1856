using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Npgsql;
using Rebus.Messages;
using Rebus.Pipeline;
using Rebus.Retry.Simple;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Keeps a request and all events that follow from it in one trace, and measures the lag and the outcome of events.</summary>
internal sealed class MessagingTelemetry
{
    private const string QueueTag = "messaging.destination.name";
    private const string EventTag = "microplatform.event.name";

    private static readonly ActivitySource Source = new(Telemetry.Prefix + "Messaging");

    private readonly string queue;
    private readonly string outbox;
    private readonly Histogram<double> lag;
    private readonly Counter<long> handled;
    private readonly Counter<long> failures;
    private readonly Counter<long> retries;
    private readonly Counter<long> deadLetters;

    public MessagingTelemetry(IMeterFactory meters, string queue, string outboxConnectionString)
    {
        this.queue = queue;
        outbox = new NpgsqlConnectionStringBuilder(outboxConnectionString)
        {
            Timeout = 2,
            CommandTimeout = 2,
            MaxPoolSize = 1,
        }.ConnectionString;
        var meter = meters.Create(Telemetry.Prefix + "Messaging");
        lag = meter.CreateHistogram<double>(
            "microplatform.messaging.lag", "s", "Time from an event's publication until a handler gets it, outbox and retries included");
        handled = meter.CreateCounter<long>("microplatform.messaging.handled", "{event}", "Events handled");
        failures = meter.CreateCounter<long>("microplatform.messaging.failures", "{attempt}", "Attempts to handle an event that failed");
        retries = meter.CreateCounter<long>(
            "microplatform.messaging.retries", "{event}",
            "Times that an event was put back after several failed attempts, to be tried again later");
        deadLetters =
            meter.CreateCounter<long>("microplatform.messaging.dead_letters", "{event}", "Events set aside after the last attempt");
        meter.CreateObservableGauge(
            "microplatform.messaging.outbox.lag", MeasureOutbox, "s",
            "Age of the oldest event that has not left its service yet; 0 when all have");
    }

    public void CountRetry(string name) => retries.Add(1, TagsOf(name));

    public void CountDeadLetter(string name) => deadLetters.Add(1, TagsOf(name));

    private TagList TagsOf(string name) => new() { { QueueTag, queue }, { EventTag, name } };

    // Runs on the collector's thread when metrics are collected. If the database does not answer, there is no measurement.
    private IEnumerable<Measurement<double>> MeasureOutbox()
    {
        object? sentAt;
        try
        {
            using var connection = new NpgsqlConnection(outbox);
            connection.Open();
            using var command = new NpgsqlCommand(
                $"""SELECT "Headers"::jsonb ->> '{Headers.SentTime}' FROM outbox ORDER BY "Id" LIMIT 1""", connection);
            sentAt = command.ExecuteScalar();
        }
        catch (NpgsqlException)
        {
            return [];
        }

        return [new(sentAt is string time ? SecondsSince(time) ?? 0 : 0, new KeyValuePair<string, object?>(QueueTag, queue))];
    }

    private static double? SecondsSince(string? sentAt) =>
        DateTimeOffset.TryParse(sentAt, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
            ? (TimeProvider.System.GetUtcNow() - time).TotalSeconds
            : null;

    public sealed class OutgoingStep : IOutgoingStep
    {
        public async Task Process(OutgoingStepContext context, Func<Task> next)
        {
            var message = context.Load<Message>();
            using var activity = Source.StartActivity($"publish {EventContracts.NameOf(message.Body.GetType())}", ActivityKind.Producer);
            if (Activity.Current?.Id is { } id)
            {
                message.Headers[DeadLetters.TraceHeader] = id;
            }

            await next();
        }
    }

    public sealed class IncomingStep(MessagingTelemetry telemetry, Deferral deferral, EventContracts contracts) : IIncomingStep
    {
        public async Task Process(IncomingStepContext context, Func<Task> next)
        {
            if (context.Load<bool>(DefaultRetryStep.DispatchAsFailedMessageKey))
            {
                // Second-level retry: the event itself has failed already.
                await next();
                return;
            }

            var headers = context.Load<TransportMessage>().Headers;
            var name = headers.GetValueOrDefault(Headers.Type, "unknown");
            var tags = telemetry.TagsOf(name);
            using var activity =
                Source.StartActivity($"process {name}", ActivityKind.Consumer, headers.GetValueOrDefault(DeadLetters.TraceHeader));
            activity?.SetTag(QueueTag, telemetry.queue).SetTag("messaging.message.id", headers.GetValueOrDefault(Headers.MessageId));
            if (SecondsSince(headers.GetValueOrDefault(Headers.SentTime)) is { } seconds)
            {
                telemetry.lag.Record(seconds, tags);
            }

            try
            {
                if (!contracts.IsKnown(name))
                {
                    // During a rolling update a replica of the next version may handle it later.
                    if (await deferral.TryAsync(headers))
                    {
                        return;
                    }

                    // Staff read this message in the dead letters; the library's own message is about its configuration.
                    throw new InvalidOperationException($"This version of the platform knows no event {name}.");
                }

                await next();
                telemetry.handled.Add(1, tags);
            }
            catch (Exception failure)
            {
                var reason = DeadLetters.ReasonOf(failure);
                activity?.SetStatus(ActivityStatusCode.Error, reason);
                tags.Add("error.type", failure.GetType().FullName);
                telemetry.failures.Add(1, tags);
                // This copy becomes the dead letter, where staff read the reason.
                context.Load<OriginalTransportMessage>().TransportMessage.Headers[DeadLetters.ReasonHeader] = reason;
                throw;
            }
        }
    }
}
