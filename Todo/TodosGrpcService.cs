using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Todo;

/// <summary>The caller's own to-dos over gRPC, with the rules and limits of the REST contract.</summary>
internal sealed class TodosGrpcService(UserTodos todos) : V1.Todos.TodosBase
{
    public override async Task<V1.CreateResponse> Create(V1.CreateRequest request, ServerCallContext context)
    {
        var body = BodyOf(request.Title, request.Text, request.Completed, request.DueAt);
        return new() { Item = MessageOf(await todos.CreateAsync(OwnerOf(context), body, context.CancellationToken)) };
    }

    [Reads]
    public override async Task<V1.GetResponse> Get(V1.GetRequest request, ServerCallContext context) =>
        new() { Item = MessageOf(await todos.GetAsync(OwnerOf(context), request.Id, context.CancellationToken)) };

    public override async Task<V1.UpdateResponse> Update(V1.UpdateRequest request, ServerCallContext context)
    {
        var body = BodyOf(request.Title, request.Text, request.Completed, request.DueAt);
        var todo = await todos.ReplaceAsync(OwnerOf(context), request.Id, body, preconditions: default, context.CancellationToken);
        return new() { Item = MessageOf(todo) };
    }

    public override async Task<V1.DeleteResponse> Delete(V1.DeleteRequest request, ServerCallContext context)
    {
        await todos.DeleteAsync(OwnerOf(context), request.Id, preconditions: default, context.CancellationToken);
        return new();
    }

    [Reads]
    public override async Task<V1.ListResponse> List(V1.ListRequest request, ServerCallContext context)
    {
        // An unset number cannot be distinguished from 0, and clients of the original version ask for more than a page holds.
        var limit = request.Limit == 0 ? PageQuery.DefaultLimit : (int)Math.Min(request.Limit, PageQuery.MaxLimit);
        var page = await todos.ListAsync(
            OwnerOf(context), request.HasCompleted
                ? request.Completed
                : null, request.Search, new() { Limit = limit, Cursor = request.Cursor }, context.CancellationToken);
        return new() { Items = { page.Items.Select(MessageOf) }, NextCursor = page.NextCursor ?? "" };
    }

    [Reads]
    public override async Task Export(
        V1.ExportRequest request, IServerStreamWriter<V1.ExportResponse> responseStream, ServerCallContext context)
    {
        var cursor = "";
        while (cursor is not null)
        {
            // Page by page, so that a slow reader holds neither a connection nor more than a page in memory.
            var page = await todos.ListAsync(
                OwnerOf(context), request.HasCompleted
                    ? request.Completed
                    : null, request.Search, new() { Limit = PageQuery.MaxLimit, Cursor = cursor }, context.CancellationToken);
            foreach (var todo in page.Items)
            {
                await responseStream.WriteAsync(new() { Item = MessageOf(todo) }, context.CancellationToken);
            }

            cursor = page.NextCursor;
        }
    }

    private static Guid OwnerOf(ServerCallContext context) => context.GetHttpContext().User.UserId();

    private static TodoRequest BodyOf(string title, string text, bool completed, Timestamp? dueAt) =>
        new TodoRequest { Title = title, Text = text, Completed = completed, DueAt = dueAt.FromProto("dueAt") }.Validated();

    private static V1.Todo MessageOf(TodoResponse todo) => new()
    {
        Id = todo.Id,
        Title = todo.Title,
        Text = todo.Text,
        CreatedAt = todo.CreatedAt.ToProto(),
        UpdatedAt = todo.UpdatedAt?.ToProto(),
        Completed = todo.Completed,
        DueAt = todo.DueAt?.ToProto(),
    };
}
