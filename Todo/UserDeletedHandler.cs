using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Users.Events;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Todo;

/// <summary>
/// Removes the to-dos of a deleted user. From then on a trigger refuses new ones. Handler and trigger take the same lock, so that no to-do
/// is created in between.
/// </summary>
internal sealed class UserDeletedHandler(TodoDbContext db, EventBus<TodoDbContext> events, TimeProvider time) : IHandleMessages<UserDeleted>
{
    public Task Handle(UserDeleted message) => events.HandleOnceAsync("todo.remove-todos", async cancellationToken =>
    {
        var user = message.UserId;
        await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended({user}::text, 0))", cancellationToken);
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO deleted_users (user_id, deleted_at) VALUES ({user}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING",
            cancellationToken);
        await db.Todos.Where(todo => todo.UserId == user).ExecuteDeleteAsync(cancellationToken);
    });
}
