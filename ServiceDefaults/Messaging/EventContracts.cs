using System.Reflection;
using Rebus.Subscriptions;
using Rebus.Topic;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>What the <see cref="EventAttribute"/>s declare, in the shapes the bus asks for.</summary>
internal static class EventContracts
{
    public static readonly IReadOnlyDictionary<Type, EventAttribute> All = typeof(EventAttribute).Assembly.GetTypes()
        .Select(type => (type, contract: type.GetCustomAttribute<EventAttribute>()))
        .Where(pair => pair.contract is not null)
        .ToDictionary(pair => pair.type, pair => pair.contract!);

    public static bool IsKnown(string name) => All.Values.Any(contract => string.Equals(contract.Name, name, StringComparison.Ordinal));

    public static string NameOf(Type eventType) => All.TryGetValue(eventType, out var contract)
        ? contract.Name
        : throw new InvalidOperationException($"{eventType.Name} is no event: it lacks the [Event] attribute that names it and its subscribers.");

    /// <summary>Subscriptions are declared, not made at run time: what is published before a subscriber's first start waits for it.</summary>
    public sealed class Subscriptions : ISubscriptionStorage
    {
        private static readonly Dictionary<string, IReadOnlyList<string>> Subscribers =
            All.Values.ToDictionary(contract => contract.Name, contract => contract.Subscribers, StringComparer.Ordinal);

        public bool IsCentralized => true;

        public Task<IReadOnlyList<string>> GetSubscriberAddresses(string topic) => Task.FromResult(Subscribers[topic]);

        public Task RegisterSubscriber(string topic, string subscriberAddress) => throw new NotSupportedException("Declare subscribers with [Event].");

        public Task UnregisterSubscriber(string topic, string subscriberAddress) => throw new NotSupportedException("Declare subscribers with [Event].");
    }

    public sealed class Topics : ITopicNameConvention
    {
        public string GetTopic(Type eventType) => NameOf(eventType);
    }
}
