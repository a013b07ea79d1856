using System.Text;
using Microsoft.AspNetCore.Builder;
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

    /// <summary>Adds the bus, with the service's name as its queue, and the handlers <paramref name="addHandlers"/> names with <c>AddEventHandler</c>.</summary>
    public static WebApplicationBuilder AddMessaging<TContext>(this WebApplicationBuilder builder, string database, Action<IServiceCollection>? addHandlers = null)
        where TContext : ServiceDbContext
    {
        var queue = builder.Environment.ApplicationName.ToLowerInvariant();
        var bus = builder.GetPostgresConnectionString("busdb");
        var own = builder.GetPostgresConnectionString(database);
        var idle = TimeSpan.FromMilliseconds(builder.GetSetting("Messaging:PollingMilliseconds", 250, "a whole number, from 10 to 60000", milliseconds => milliseconds is >= 10 and <= 60_000));
        builder.Services.AddScoped<EventBus<TContext>>();
        addHandlers?.Invoke(builder.Services);
        builder.Services.AddRebus(configure => configure
            .Transport(transport => transport.UsePostgreSql(bus, "messages", queue))
            .Outbox(outbox => outbox.StoreInPostgreSql(own, "outbox"))
            .Subscriptions(subscriptions => subscriptions.Register(_ => new EventContracts.Subscriptions()))
            .Serialization(serializer =>
            {
                serializer.UseSystemTextJson(new(System.Text.Json.JsonSerializerDefaults.Web), Encoding.UTF8);
                var names = serializer.UseCustomMessageTypeNames();
                foreach (var (type, contract) in EventContracts.All)
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
                options.Register<ITopicNameConvention>(_ => new EventContracts.Topics());
                options.Decorate<IPipeline>(c => new PipelineStepInjector(c.Get<IPipeline>())
                    .OnSend(new MessagingTelemetry.OutgoingStep(), PipelineRelativePosition.Before, typeof(SerializeOutgoingMessageStep))
                    .OnReceive(new MessagingTelemetry.IncomingStep(queue), PipelineRelativePosition.Before, typeof(DeserializeIncomingMessageStep)));
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

    private sealed class RetryLater<TEvent>(IBus bus) : IHandleMessages<IFailed<TEvent>>
    {
        // 1, 2, 4 ... 64 s: an outage of two minutes is bridged without anyone's help.
        private const int MaxDeferrals = 7;

        public Task Handle(IFailed<TEvent> message)
        {
            var deferrals = message.Headers.TryGetValue(Headers.DeferCount, out var count) ? int.Parse(count, System.Globalization.CultureInfo.InvariantCulture) : 0;
            if (deferrals < MaxDeferrals)
            {
                return bus.Advanced.TransportMessage.Defer(TimeSpan.FromSeconds(1 << deferrals));
            }

            MessagingTelemetry.CountDeadLetter(EventContracts.NameOf(typeof(TEvent)));
            throw new InvalidOperationException($"Given up after {deferrals} deferrals: {message.ErrorDescription}");
        }
    }
}
