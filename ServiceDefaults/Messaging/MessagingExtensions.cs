using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Config;
using Rebus.Config.Outbox;
using Rebus.Handlers;
using Rebus.Pipeline;
using Rebus.Pipeline.Receive;
using Rebus.Pipeline.Send;
using Rebus.Retry;
using Rebus.Retry.Simple;
using Rebus.Serialization.Custom;
using Rebus.Serialization.Json;
using Rebus.Topic;
using Rebus.Workers.ThreadPoolBased;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// Events between services over PostgreSQL (<c>busdb</c>), with the outbox in the service's own database.
/// The transport is this one registration: another of Rebus's takes its place here (docs/adr/0002-messaging.md).
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
        var idle = TimeSpan.FromMilliseconds(builder.GetSetting("Messaging:PollingMilliseconds", 500, "a whole number, from 10 to 60000", milliseconds => milliseconds is >= 10 and <= 60_000));
        builder.Services.AddSingleton(services => new MessagingTelemetry(services.GetRequiredService<IMeterFactory>(), queue, own));
        var deferrals = builder.GetSetting("Messaging:Deferrals", Deferral.DefaultLimit, "a whole number, from 0 to 1000", limit => limit is >= 0 and <= 1_000);
        builder.Services.AddSingleton(services => new Deferral(services, deferrals));
        builder.Services.AddScoped<EventBus<TContext>>();
        addHandlers?.Invoke(builder.Services);
        builder.Services.AddRebus((configure, services) => configure
            .Transport(transport =>
            {
                // Who handles nothing listens for nothing.
                if (addHandlers is null)
                {
                    transport.UsePostgreSqlAsOneWayClient(bus, "messages");
                }
                else
                {
                    transport.UsePostgreSql(bus, "messages", queue);
                }
            })
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
                options.SetNumberOfWorkers(addHandlers is null ? 0 : 1);
                options.SetMaxParallelism(8);
                options.Register<IBackoffStrategy>(_ => new IdlePolling(idle));
                options.RetryStrategy(DeadLetterQueue, maxDeliveryAttempts: 3, secondLevelRetriesEnabled: true);
                options.Register<ITopicNameConvention>(_ => new EventContracts.Topics());
                var telemetry = services.GetRequiredService<MessagingTelemetry>();
                options.Decorate<IErrorHandler>(c => new DeadLetters.Noting(c.Get<IErrorHandler>(), telemetry, services.GetRequiredService<TimeProvider>()));
                options.Decorate<IPipeline>(c => new PipelineStepInjector(WithoutOutboxOnReceipt(c.Get<IPipeline>()))
                    .OnSend(new MessagingTelemetry.OutgoingStep(), PipelineRelativePosition.Before, typeof(SerializeOutgoingMessageStep))
                    .OnReceive(new MessagingTelemetry.IncomingStep(telemetry, services.GetRequiredService<Deferral>()), PipelineRelativePosition.Before, typeof(DeserializeIncomingMessageStep)));
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

    /// <summary>
    /// The library's outbox opens a transaction in the service's database for every message that comes in. No handler here needs it, and it
    /// stands before the handling of failures: a service that cannot reach its database would set everything aside at once instead of waiting.
    /// </summary>
    private static PipelineStepRemover WithoutOutboxOnReceipt(IPipeline pipeline) =>
        new PipelineStepRemover(pipeline).RemoveIncomingStep(step => step.GetType().FullName is "Rebus.PostgreSql.Outbox.OutboxIncomingStep");

    private sealed class RetryLater<TEvent>(Deferral deferral) : IHandleMessages<IFailed<TEvent>>
    {
        public async Task Handle(IFailed<TEvent> message)
        {
            if (!await deferral.TryAsync(message.Headers))
            {
                throw new InvalidOperationException($"Given up: {message.ErrorDescription}");
            }
        }
    }
}
