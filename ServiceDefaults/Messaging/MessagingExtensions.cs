using System.Diagnostics;
using System.Reflection;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Backoff;
using Rebus.Bus;
using Rebus.Config;
using Rebus.Config.Outbox;
using Rebus.Handlers;
using Rebus.Messages;
using Rebus.Pipeline;
using Rebus.Pipeline.Receive;
using Rebus.Pipeline.Send;
using Rebus.Retry.Simple;
using Rebus.Serialization.Custom;
using Rebus.Serialization.Json;
using Rebus.Subscriptions;
using Rebus.Topic;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// Events between services over PostgreSQL (<c>busdb</c>), with the outbox in the service's own database.
/// The transport is this one registration: another of Rebus's takes its place here (docs/adr/0003-messaging.md).
/// </summary>
public static class MessagingExtensions
{
    /// <summary>The queue of messages that could not be handled.</summary>
    public const string DeadLetterQueue = "dead-letters";

    private static readonly IReadOnlyDictionary<Type, EventAttribute> Events = typeof(EventAttribute).Assembly.GetTypes()
        .Select(type => (type, contract: type.GetCustomAttribute<EventAttribute>()))
        .Where(pair => pair.contract is not null)
        .ToDictionary(pair => pair.type, pair => pair.contract!);

    /// <summary>Adds the bus, with the service's name as its queue, and the handlers <paramref name="addHandlers"/> names with <c>AddEventHandler</c>.</summary>
    public static WebApplicationBuilder AddMessaging<TContext>(this WebApplicationBuilder builder, string database, Action<IServiceCollection>? addHandlers = null)
        where TContext : ServiceDbContext
    {
        var queue = builder.Environment.ApplicationName.ToLowerInvariant();
        var bus = builder.GetPostgresConnectionString("busdb");
        var own = builder.GetPostgresConnectionString(database);
        var idle = TimeSpan.FromMilliseconds(builder.Configuration.GetValue("Messaging:PollingMilliseconds", 250));
        builder.Services.AddScoped<EventBus<TContext>>();
        addHandlers?.Invoke(builder.Services);
        builder.Services.AddRebus(configure => configure
            .Transport(transport => transport.UsePostgreSql(bus, "messages", queue))
            .Outbox(outbox => outbox.StoreInPostgreSql(own, "outbox"))
            .Subscriptions(subscriptions => subscriptions.Register(_ => new DeclaredSubscriptions()))
            .Serialization(serializer =>
            {
                serializer.UseSystemTextJson(new(System.Text.Json.JsonSerializerDefaults.Web), Encoding.UTF8);
                var names = serializer.UseCustomMessageTypeNames();
                foreach (var (type, contract) in Events)
                {
                    names.AddWithCustomName(type, contract.Name);
                }
            })
            .Options(options =>
            {
                options.SetNumberOfWorkers(1);
                options.SetMaxParallelism(8);
                options.SetBackoffTimes(TimeSpan.FromMilliseconds(50), idle / 2, idle);
                options.RetryStrategy(DeadLetterQueue, maxDeliveryAttempts: 3, secondLevelRetriesEnabled: true);
                options.Register<ITopicNameConvention>(_ => new DeclaredTopics());
                options.Decorate<IPipeline>(c => new PipelineStepInjector(c.Get<IPipeline>())
                    .OnSend(new OutgoingTrace(), PipelineRelativePosition.Before, typeof(SerializeOutgoingMessageStep))
                    .OnReceive(new IncomingTrace(queue), PipelineRelativePosition.Before, typeof(DeserializeIncomingMessageStep)));
            }));
        return builder;
    }

    /// <summary>Adds the handler of an event; a failing one is tried again with growing pauses, then set aside in <see cref="DeadLetterQueue"/>.</summary>
    public static IServiceCollection AddEventHandler<TEvent, THandler>(this IServiceCollection services)
        where TEvent : class
        where THandler : class, IHandleMessages<TEvent> =>
        services
            .AddTransient<IHandleMessages<TEvent>, THandler>()
            .AddTransient<IHandleMessages<IFailed<TEvent>>, RetryLater<TEvent>>();

    /// <summary>Subscriptions are declared with the event, not made at run time: what is published before a subscriber's first start waits for it.</summary>
    private sealed class DeclaredSubscriptions : ISubscriptionStorage
    {
        private static readonly Dictionary<string, IReadOnlyList<string>> Subscribers =
            Events.Values.ToDictionary(contract => contract.Name, contract => contract.Subscribers, StringComparer.Ordinal);

        public bool IsCentralized => true;

        public Task<IReadOnlyList<string>> GetSubscriberAddresses(string topic) => Task.FromResult(Subscribers[topic]);

        public Task RegisterSubscriber(string topic, string subscriberAddress) => throw new NotSupportedException("Declare subscribers with [Event].");

        public Task UnregisterSubscriber(string topic, string subscriberAddress) => throw new NotSupportedException("Declare subscribers with [Event].");
    }

    private sealed class DeclaredTopics : ITopicNameConvention
    {
        public string GetTopic(Type eventType) => Events[eventType].Name;
    }

    private sealed class RetryLater<TEvent>(IBus bus) : IHandleMessages<IFailed<TEvent>>
    {
        // 1, 2, 4 ... 64 s: an outage of two minutes is bridged without anyone's help.
        private const int MaxDeferrals = 7;

        public Task Handle(IFailed<TEvent> message)
        {
            var deferrals = message.Headers.TryGetValue(Headers.DeferCount, out var count) ? int.Parse(count, System.Globalization.CultureInfo.InvariantCulture) : 0;
            return deferrals < MaxDeferrals
                ? bus.Advanced.TransportMessage.Defer(TimeSpan.FromSeconds(1 << deferrals))
                : throw new InvalidOperationException($"Given up after {deferrals} deferrals: {message.ErrorDescription}");
        }
    }

    private static class Trace
    {
        public const string Header = "traceparent";

        public static readonly ActivitySource Source = new(Telemetry.Prefix + "Messaging");
    }

    private sealed class OutgoingTrace : IOutgoingStep
    {
        public async Task Process(OutgoingStepContext context, Func<Task> next)
        {
            var message = context.Load<Message>();
            using var activity = Trace.Source.StartActivity($"publish {Events.GetValueOrDefault(message.Body.GetType())?.Name}", ActivityKind.Producer);
            if (Activity.Current?.Id is { } id)
            {
                message.Headers[Trace.Header] = id;
            }

            await next();
        }
    }

    private sealed class IncomingTrace(string queue) : IIncomingStep
    {
        public async Task Process(IncomingStepContext context, Func<Task> next)
        {
            var headers = context.Load<TransportMessage>().Headers;
            using var activity = Trace.Source.StartActivity($"process {headers.GetValueOrDefault(Headers.Type)}", ActivityKind.Consumer, headers.GetValueOrDefault(Trace.Header));
            activity?.SetTag("messaging.system", "rebus").SetTag("messaging.destination.name", queue).SetTag("messaging.message.id", headers.GetValueOrDefault(Headers.MessageId));
            await next();
        }
    }
}
