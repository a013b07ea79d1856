namespace MicroPlatform.Todo;

/// <summary>An example of each request and response body, shown in the API reference.</summary>
internal static class Examples
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 9, 0, 0, TimeSpan.Zero);

    public static readonly object[] All =
    [
        new TodoResponse(
            1, "Water the plants", "The fern gets twice as much.", Completed: false, Monday.AddDays(1), Monday, UpdatedAt: null,
            Version: 0),
        new TodoRequest { Title = "Water the plants", Text = "The fern gets twice as much.", DueAt = Monday.AddDays(1) },
        new UpdateTodoRequest { Completed = true },
    ];
}
