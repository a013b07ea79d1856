using System.ComponentModel;
using System.Security.Claims;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;

namespace MicroPlatform.Todo;

/// <summary>The caller's own to-dos over REST.</summary>
internal static class TodosApi
{
    public static void MapTodosApi(this IEndpointRouteBuilder app)
    {
        var all = app.MapApi("/todos", "To-dos").RequireAuthorization(Policies.User);
        all.MapGet("/", ListAsync).WithSummary("List your to-dos, oldest first, optionally filtered");
        all.MapPost("/", CreateAsync).WithIdempotency<TodoDbContext>().WithSummary("Create a to-do");

        var one = app.MapApi("/todos/{id:long}", "To-dos").RequireAuthorization(Policies.User);
        one.MapGet("/", GetAsync).WithSummary("Show a to-do");
        one.MapPut("/", ReplaceAsync).WithSummary("Replace a to-do as a whole");
        one.MapPatch("/", UpdateAsync).WithSummary("Change a to-do");
        one.MapDelete("/", DeleteAsync).WithSummary("Delete a to-do");
    }

    private static async Task<Ok<Page<TodoResponse>>> ListAsync(
        [AsParameters] PageQuery page, ClaimsPrincipal caller, UserTodos todos, CancellationToken cancellationToken,
        [Description("Filter by completion.")] bool? completed = null,
        [Description("Part of the title or the details, case-insensitive, without wildcards.")] string? search = null) =>
        TypedResults.Ok(await todos.ListAsync(caller.UserId(), completed, search, page, cancellationToken));

    private static async Task<Created<TodoResponse>> CreateAsync(
        TodoRequest request, ClaimsPrincipal caller, UserTodos todos, CancellationToken cancellationToken)
    {
        var todo = await todos.CreateAsync(caller.UserId(), request, cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/todos/{todo.Id}", todo);
    }

    private static async Task<Ok<TodoResponse>> GetAsync(
        long id, ClaimsPrincipal caller, UserTodos todos, CancellationToken cancellationToken) =>
        TypedResults.Ok(await todos.GetAsync(caller.UserId(), id, cancellationToken));

    private static async Task<Ok<TodoResponse>> ReplaceAsync(
        long id, TodoRequest request, ClaimsPrincipal caller, UserTodos todos,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken) =>
        TypedResults.Ok(await todos.ReplaceAsync(caller.UserId(), id, request, preconditions, cancellationToken));

    private static async Task<Ok<TodoResponse>> UpdateAsync(
        long id, UpdateTodoRequest request, ClaimsPrincipal caller, UserTodos todos,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken) =>
        TypedResults.Ok(await todos.UpdateAsync(caller.UserId(), id, request, preconditions, cancellationToken));

    private static async Task<NoContent> DeleteAsync(
        long id, ClaimsPrincipal caller, UserTodos todos, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        await todos.DeleteAsync(caller.UserId(), id, preconditions, cancellationToken);
        return TypedResults.NoContent();
    }
}
