using System.Reflection;
using Rebus.Serialization;
using Rebus.Subscriptions;
using Rebus.Topic;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// The events that a service publishes or handles: the types of its assembly that carry <see cref="EventAttribute"/>. Subscriptions are
/// declared there and not made at run time, so that an event published before a subscriber's first start waits for it.
/// </summary>
internal sealed class EventContracts : IMessageTypeNameConvention, ITopicNameConvention, ISubscriptionStorage
{
    private readonly Dictionary<string, Type> types;

    public EventContracts(Assembly service) => types = service.GetTypes()
        .Where(type => type.IsDefined(typeof(EventAttribute)))
        .ToDictionary(NameOf, StringComparer.Ordinal);

    public bool IsCentralized => true;

    public static string NameOf(Type type) => ContractOf(type).Name;

    public bool IsKnown(string name) => types.ContainsKey(name);

    public string GetTypeName(Type type) => NameOf(type);

    public Type GetType(string name) => types[name];

    public string GetTopic(Type eventType) => NameOf(eventType);

    public Task<IReadOnlyList<string>> GetSubscriberAddresses(string topic) => Task.FromResult(ContractOf(types[topic]).Subscribers);

    public Task RegisterSubscriber(string topic, string subscriberAddress) =>
        throw new NotSupportedException("Declare subscribers with [Event].");

    public Task UnregisterSubscriber(string topic, string subscriberAddress) =>
        throw new NotSupportedException("Declare subscribers with [Event].");

    private static EventAttribute ContractOf(Type type) => type.GetCustomAttribute<EventAttribute>()
        ?? throw new InvalidOperationException(
            $"{type.Name} is no event: it lacks the [Event] attribute that names it and its subscribers.");
}
