using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Users.Events;
using Microsoft.EntityFrameworkCore;
using Rebus.Handlers;

namespace MicroPlatform.Todo;

/// <summary>
/// A user is gone: the to-dos go too. A token of the user may live a little longer and reads nothing then; what it would make is
/// refused. The lock, which making a to-do shares, leaves no gap between the two.
/// </summary>
internal sealed class UserDeletedHandler(TodoDbContext db, EventBus<TodoDbContext> events, TimeProvider time) : IHandleMessages<UserDeleted>
{
    public Task Handle(UserDeleted message) => events.HandleOnceAsync("todo.remove-todos", async cancellationToken =>
    {
        var user = message.UserId;
        await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock(hashtextextended({user}::text, 0))", cancellationToken);
        await db.Database.ExecuteSqlAsync($"INSERT INTO deleted_users (user_id, deleted_at) VALUES ({user}, {time.GetUtcNow()}) ON CONFLICT DO NOTHING", cancellationToken);
        await db.Todos.Where(todo => todo.UserId == user).ExecuteDeleteAsync(cancellationToken);
    });
}
