using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Users.Events;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Todo;

/// <summary>
/// Removes the to-dos of a deleted user. A trigger refuses new ones from then on; the lock, which the trigger shares, leaves no gap
/// between the two.
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
