using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Users.Events;

/// <summary>An account of Users is gone: what others keep for it goes too.</summary>
/// <param name="UserId">The user that was deleted.</param>
[Event("users.user-deleted.v1", "todo")]
internal sealed record UserDeleted(Guid UserId);
