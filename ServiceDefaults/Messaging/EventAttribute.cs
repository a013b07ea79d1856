namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Names an event on the wire and the services that handle it. Both belong to the contract; .NET type names do not.</summary>
/// <param name="name">Publisher, what happened, version: <c>customers.customer-deleted.v1</c>.</param>
/// <param name="subscribers">The queues of the services that receive it, even if they have never run.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class EventAttribute(string name, params string[] subscribers) : Attribute
{
    /// <summary>The name on the wire.</summary>
    public string Name { get; } = name;

    /// <summary>The queues it goes to.</summary>
    public IReadOnlyList<string> Subscribers { get; } = subscribers;
}
