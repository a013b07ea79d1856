using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Todo;

/// <summary>
/// The rules of to-dos, the same over REST and gRPC. Every statement filters by the owner, so another user's to-do is not found.
/// </summary>
internal sealed class UserTodos(TodoDbContext db, TimeProvider time)
{
    private const string ResourceName = "to-do";

    private static readonly Func<TodoDbContext, Guid, long, CancellationToken, Task<TodoResponse?>> ReadAsync = EF.CompileAsyncQuery(
        (TodoDbContext db, Guid owner, long id, CancellationToken _) =>
            db.Todos.Where(t => t.UserId == owner && t.Id == id).Select(TodoResponse.FromTodo).SingleOrDefault());

    public async Task<TodoResponse> CreateAsync(Guid owner, TodoRequest request, CancellationToken cancellationToken)
    {
        var todo = new TodoItem
        {
            UserId = owner,
            Title = request.Title!,
            Text = request.Text ?? "",
            Completed = request.Completed ?? false,
            DueAt = request.DueAt,
            CreatedAt = time.GetUtcNow(),
        };
        db.Add(todo);
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException failure) when (failure.Violates(TodoDbContext.OwnerLivesConstraint))
        {
            throw ProblemException.Unauthorized("This account has been deleted.");
        }

        return TodoResponse.Of(todo);
    }

    public async Task<TodoResponse> GetAsync(Guid owner, long id, CancellationToken cancellationToken) =>
        await ReadAsync(db, owner, id, cancellationToken) ?? throw ProblemException.NotFound(ResourceName, id);

    public Task<Page<TodoResponse>> ListAsync(
        Guid owner, bool? completed, string? search, PageQuery page, CancellationToken cancellationToken)
    {
        var todos = db.Todos.Where(t => t.UserId == owner);
        if (completed is { } isCompleted)
        {
            todos = todos.Where(t => t.Completed == isCompleted);
        }

        if (!string.IsNullOrEmpty(search))
        {
            var pattern = Paging.ContainsPattern(search);
            todos = todos.Where(t => EF.Functions.ILike(t.Title, pattern, @"\") || EF.Functions.ILike(t.Text, pattern, @"\"));
        }

        return todos.ToPageAsync(page, t => t.Id, TodoResponse.FromTodo, t => t.Id, cancellationToken);
    }

    public async Task<TodoResponse> ReplaceAsync(
        Guid owner, long id, TodoRequest request, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var todo = await FindAsync(owner, id, preconditions, cancellationToken);
        todo.Title = request.Title!;
        todo.Text = request.Text ?? "";
        todo.Completed = request.Completed ?? false;
        todo.DueAt = request.DueAt;
        return await SaveAsync(todo, cancellationToken);
    }

    public async Task<TodoResponse> UpdateAsync(
        Guid owner, long id, UpdateTodoRequest request, Preconditions preconditions, CancellationToken cancellationToken)
    {
        if (request == new UpdateTodoRequest())
        {
            throw ProblemException.Invalid("body", "Name at least one field to change: title, text, completed, dueAt.");
        }

        var todo = await FindAsync(owner, id, preconditions, cancellationToken);
        todo.Title = request.Title ?? todo.Title;
        todo.Text = request.Text ?? todo.Text;
        todo.Completed = request.Completed ?? todo.Completed;
        todo.DueAt = request.IsDueAtGiven ? request.DueAt : todo.DueAt;
        return await SaveAsync(todo, cancellationToken);
    }

    public async Task DeleteAsync(Guid owner, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        db.Remove(await FindAsync(owner, id, preconditions, cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
    }

    private async Task<TodoItem> FindAsync(Guid owner, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var todo = await db.Todos.SingleOrDefaultAsync(t => t.UserId == owner && t.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound(ResourceName, id);
        preconditions.Require(todo.Version);
        return todo;
    }

    private async Task<TodoResponse> SaveAsync(TodoItem todo, CancellationToken cancellationToken)
    {
        todo.UpdatedAt = time.GetUtcNow();
        await db.SaveChangesAsync(cancellationToken);
        return TodoResponse.Of(todo);
    }
}
