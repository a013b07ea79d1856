using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Text.Json.Serialization;
using MicroPlatform.ServiceDefaults;

namespace MicroPlatform.Todo;

/// <summary>A to-do.</summary>
/// <param name="Id">The to-do's id.</param>
/// <param name="Title">The title.</param>
/// <param name="Text">Details, may be empty.</param>
/// <param name="Completed">Whether it is completed.</param>
/// <param name="DueAt">The due date (UTC), or null.</param>
/// <param name="CreatedAt">When it was created (UTC).</param>
/// <param name="UpdatedAt">When it was last changed (UTC), or null if it never was.</param>
/// <param name="Version">Sent as ETag.</param>
public sealed record TodoResponse(
    long Id, string Title, string Text, bool Completed, DateTimeOffset? DueAt, DateTimeOffset CreatedAt, DateTimeOffset? UpdatedAt,
    [property: JsonIgnore] uint Version) : IVersioned
{
    /// <summary>The columns that a response needs of a to-do.</summary>
    public static readonly Expression<Func<TodoItem, TodoResponse>> FromTodo =
        t => new(t.Id, t.Title, t.Text, t.Completed, t.DueAt, t.CreatedAt, t.UpdatedAt, t.Version);

    /// <summary>Maps a to-do that is already loaded.</summary>
    public static readonly Func<TodoItem, TodoResponse> Of = FromTodo.Compile();
}

/// <summary>A complete to-do, new or replacing an existing one. Absent fields are empty.</summary>
public sealed record TodoRequest
{
    internal const int MaxTitleLength = 200;

    /// <summary>The title, 1 to 200 characters, not only blanks.</summary>
    [Required, TextLength(MaxTitleLength), NotBlank]
    public string? Title { get; init; }

    /// <summary>Details, up to 2,000 characters.</summary>
    [TextLength(2000)]
    public string? Text { get; init; }

    /// <summary>Whether it is completed; false by default.</summary>
    public bool? Completed { get; init; }

    /// <summary>The due date, with a time zone.</summary>
    public DateTimeOffset? DueAt { get; init; }
}

/// <summary>Changes of a to-do, at least one field. Absent fields keep their values.</summary>
public sealed record UpdateTodoRequest
{
    /// <summary>The title, 1 to 200 characters, not only blanks.</summary>
    [TextLength(TodoRequest.MaxTitleLength), NotBlank]
    public string? Title { get; init; }

    /// <summary>Details, up to 2,000 characters.</summary>
    [TextLength(2000)]
    public string? Text { get; init; }

    /// <summary>Whether it is completed.</summary>
    public bool? Completed { get; init; }

    /// <summary>The due date, with a time zone. Null removes it.</summary>
    public DateTimeOffset? DueAt { get; init { field = value; IsDueAtGiven = true; } }

    /// <summary>Whether <see cref="DueAt"/> was in the request at all.</summary>
    internal bool IsDueAtGiven { get; private init; }
}
