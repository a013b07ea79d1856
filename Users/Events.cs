using MicroPlatform.ServiceDefaults.Messaging;

namespace MicroPlatform.Users.Events;

/// <summary>A user account was deleted: other services delete their data about it.</summary>
/// <param name="UserId">The user that was deleted.</param>
[Event("users.user-deleted.v1", "todo")]
internal sealed record UserDeleted(Guid UserId);
