using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Rebus.Messages;
using Rebus.Pipeline;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>One trace from the request to the last event it led to, and how far events lag behind.</summary>
internal static class MessagingTelemetry
{
    private const string TraceHeader = "traceparent";

    private static readonly ActivitySource Source = new(Telemetry.Prefix + "Messaging");
    private static readonly Meter Meter = new(Telemetry.Prefix + "Messaging");

    private static readonly Histogram<double> Lag = Meter.CreateHistogram<double>(
        "microplatform.messaging.lag", "s", "Time between an event's leaving its service and its handling, outbox included");

    private static readonly Counter<long> Failures = Meter.CreateCounter<long>(
        "microplatform.messaging.failures", description: "Attempts to handle an event that failed; each is tried again, or the event set aside");

    private static readonly Counter<long> DeadLetters = Meter.CreateCounter<long>(
        "microplatform.messaging.dead_letters", description: "Events set aside after the last attempt");

    public static void CountDeadLetter(string type) => DeadLetters.Add(1, new KeyValuePair<string, object?>("event", type));

    public sealed class OutgoingStep : IOutgoingStep
    {
        public async Task Process(OutgoingStepContext context, Func<Task> next)
        {
            var message = context.Load<Message>();
            using var activity = Source.StartActivity($"publish {EventContracts.NameOf(message.Body.GetType())}", ActivityKind.Producer);
            if (Activity.Current?.Id is { } id)
            {
                message.Headers[TraceHeader] = id;
            }

            await next();
        }
    }

    public sealed class IncomingStep(string queue) : IIncomingStep
    {
        public async Task Process(IncomingStepContext context, Func<Task> next)
        {
            var headers = context.Load<TransportMessage>().Headers;
            var type = headers.GetValueOrDefault(Headers.Type, "unknown");
            var tag = new KeyValuePair<string, object?>("event", type);
            using var activity = Source.StartActivity($"process {type}", ActivityKind.Consumer, headers.GetValueOrDefault(TraceHeader));
            activity?.SetTag("messaging.destination.name", queue).SetTag("messaging.message.id", headers.GetValueOrDefault(Headers.MessageId));
            if (DateTimeOffset.TryParse(headers.GetValueOrDefault(Headers.SentTime), CultureInfo.InvariantCulture, DateTimeStyles.None, out var sentAt))
            {
                Lag.Record((TimeProvider.System.GetUtcNow() - sentAt).TotalSeconds, tag);
            }

            try
            {
                await next();
            }
            catch (Exception failure)
            {
                activity?.SetStatus(ActivityStatusCode.Error, failure.GetType().Name);
                Failures.Add(1, tag);
                throw;
            }
        }
    }
}
