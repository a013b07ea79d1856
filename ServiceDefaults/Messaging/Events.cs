namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>Names an event on the wire and says which services handle it; both are contract, .NET type names are not.</summary>
/// <param name="name">Publisher, what happened, version: <c>customers.customer-deleted.v1</c>.</param>
/// <param name="subscribers">The services that get it, by queue name, whether they have ever run yet or not.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class EventAttribute(string name, params string[] subscribers) : Attribute
{
    /// <summary>The name on the wire.</summary>
    public string Name { get; } = name;

    /// <summary>The queues it goes to.</summary>
    public IReadOnlyList<string> Subscribers { get; } = subscribers;
}

/// <summary>An account of the shop is gone: what others keep for it goes too.</summary>
/// <param name="CustomerId">The customer that was deleted.</param>
[Event("customers.customer-deleted.v1", "cart")]
public sealed record CustomerDeleted(long CustomerId);

/// <summary>An account of Users is gone: what others keep for it goes too.</summary>
/// <param name="UserId">The user that was deleted.</param>
[Event("users.user-deleted.v1", "todo")]
public sealed record UserDeleted(Guid UserId);
