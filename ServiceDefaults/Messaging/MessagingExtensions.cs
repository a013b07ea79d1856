using System.ComponentModel.DataAnnotations;
using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Rebus.Config;
using Rebus.Config.Outbox;
using Rebus.Handlers;
using Rebus.Logging;
using Rebus.Pipeline;
using Rebus.Pipeline.Receive;
using Rebus.Pipeline.Send;
using Rebus.PostgreSql.Outbox;
using Rebus.Retry;
using Rebus.Retry.Simple;
using Rebus.Serialization;
using Rebus.Serialization.Json;
using Rebus.Threading;
using Rebus.Topic;
using Rebus.Workers.ThreadPoolBased;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Settings for polling and retries, section <c>Messaging</c>.</summary>
internal sealed class MessagingOptions
{
    /// <summary>How often a queue is read when no signal comes, in milliseconds.</summary>
    [Range(10, 60_000)]
    public int PollingMilliseconds { get; set; } = 2_000;

    /// <summary>
    /// How often a failed event is retried before it becomes a dead letter: after 1, 2, 4 ... 64 s, so 7 retries take two minutes.
    /// </summary>
    [Range(0, 1_000)]
    public int Deferrals { get; set; } = 7;
}

/// <summary>
/// Events between services over PostgreSQL (<c>busdb</c>), with the outbox in the service's own database.
/// This registration alone chooses the transport; any other transport of Rebus can replace it (docs/adr/0002-messaging.md).
/// </summary>
public static class MessagingExtensions
{
    /// <summary>The queue of messages that could not be handled.</summary>
    public const string DeadLetterQueue = "dead-letters";

    private const int MaxParallelism = 8;

    // Only a killed replica leaves unsignalled events, so the outbox is polled less often than the queue.
    private const double OutboxPolls = 2.5;

    /// <summary>
    /// Adds the bus, with the service's name as its queue, and the handlers <paramref name="addHandlers"/> names with
    /// <c>AddEventHandler</c>.
    /// </summary>
    public static WebApplicationBuilder AddMessaging<TContext>(
        this WebApplicationBuilder builder, string database, Action<IServiceCollection>? addHandlers = null)
        where TContext : ServiceDbContext
    {
        var queue = builder.Environment.ApplicationName.ToLowerInvariant();
        var bus = builder.GetPostgresConnectionString("busdb");
        var own = builder.GetPostgresConnectionString(database);
        var settings = builder.AddSettings<MessagingOptions>("Messaging");
        var poll = TimeSpan.FromMilliseconds(settings.PollingMilliseconds);
        var receivers = new Receivers(MaxParallelism);
        var contracts = new EventContracts(typeof(TContext).Assembly);
        builder.Services.AddSingleton(_ => new OutboxSignal(poll * OutboxPolls));
        builder.Services.ConfigureDbContext<TContext>((services, options) =>
            options.AddInterceptors(services.GetRequiredService<OutboxSignal>()));
        builder.Services.AddSingleton(services => new MessagingTelemetry(services.GetRequiredService<IMeterFactory>(), queue, own));
        builder.Services.AddSingleton(services => new Deferral(services, settings.Deferrals));
        builder.Services.AddScoped<EventBus<TContext>>();
        addHandlers?.Invoke(builder.Services);
        builder.Services.AddRebus((configure, services) => configure
            .Transport(transport =>
            {
                // A service without handlers has no queue.
                if (addHandlers is null)
                {
                    transport.UsePostgreSqlAsOneWayClient(bus, "messages");
                }
                else
                {
                    transport.UsePostgreSql(bus, "messages", queue);
                }
            })
            .Outbox(storage => storage.StoreInPostgreSql(own, "outbox"))
            .Subscriptions(subscriptions => subscriptions.Register(_ => contracts))
            .Serialization(serializer => serializer.UseSystemTextJson(new(System.Text.Json.JsonSerializerDefaults.Web), Encoding.UTF8))
            .Options(options =>
            {
                options.SetNumberOfWorkers(addHandlers is null ? 0 : 1);
                options.SetMaxParallelism(MaxParallelism);
                options.Register<IBackoffStrategy>(_ => receivers);
                options.Decorate<IAsyncTaskFactory>(c => new OutboxSignal.TaskFactory(
                    c.Get<IAsyncTaskFactory>(), services.GetRequiredService<OutboxSignal>(), c.Get<IRebusLoggerFactory>()));
                options.RetryStrategy(DeadLetterQueue, maxDeliveryAttempts: 3, secondLevelRetriesEnabled: true);
                options.Register<IMessageTypeNameConvention>(_ => contracts);
                options.Register<ITopicNameConvention>(_ => contracts);
                var telemetry = services.GetRequiredService<MessagingTelemetry>();
                options.Decorate<IErrorHandler>(c =>
                    new DeadLetters.Recorder(c.Get<IErrorHandler>(), telemetry, services.GetRequiredService<TimeProvider>()));
                options.Decorate<IPipeline>(c => new PipelineStepInjector(WithoutOutboxOnReceipt(c.Get<IPipeline>()))
                    .OnSend(new MessagingTelemetry.OutgoingStep(), PipelineRelativePosition.Before, typeof(SerializeOutgoingMessageStep))
                    .OnReceive(
                        new MessagingTelemetry.IncomingStep(telemetry, services.GetRequiredService<Deferral>(), contracts),
                        PipelineRelativePosition.Before, typeof(DeserializeIncomingMessageStep)));
            }));
        if (addHandlers is not null)
        {
            builder.Services.AddHostedService(services =>
                new ArrivalListener(bus, queue, poll, receivers, services, services.GetRequiredService<ILogger<ArrivalListener>>()));
        }

        return builder;
    }

    /// <summary>
    /// Adds the handler of an event. A failed event is retried with growing pauses and then moved to <see cref="DeadLetterQueue"/>.
    /// </summary>
    public static IServiceCollection AddEventHandler<TEvent, THandler>(this IServiceCollection services)
        where TEvent : class
        where THandler : class, IHandleMessages<TEvent> =>
        services
            .AddTransient<IHandleMessages<TEvent>, THandler>()
            .AddTransient<IHandleMessages<IFailed<TEvent>>, RetryLater<TEvent>>();

    /// <summary>
    /// Removes the library's outbox step for received messages, which opens a database transaction for each. No handler needs this step,
    /// and it runs before error handling: while its database is down, a service would dead-letter every message at once instead of waiting.
    /// </summary>
    private static PipelineStepRemover WithoutOutboxOnReceipt(IPipeline pipeline) =>
        new PipelineStepRemover(pipeline).RemoveIncomingStep(step => step.GetType().Assembly == typeof(IOutboxStorage).Assembly);

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
