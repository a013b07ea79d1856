using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Todo;

/// <summary>A to-do of a user.</summary>
public sealed class TodoItem
{
    /// <summary>The owner; part of the key, so that every read and write names the owner.</summary>
    public Guid UserId { get; init; }

    /// <summary>The to-do's id.</summary>
    public long Id { get; init; }

    /// <summary>The title, 1 to 200 characters, not only blanks.</summary>
    public required string Title { get; set; }

    /// <summary>More about it, up to 2000 characters, may be empty.</summary>
    public string Text { get; set; } = "";

    /// <summary>Whether it is completed.</summary>
    public bool Completed { get; set; }

    /// <summary>By when it is to be done, or null.</summary>
    public DateTimeOffset? DueAt { get; set; }

    /// <summary>When it was created (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was last changed, or null if it never was.</summary>
    public DateTimeOffset? UpdatedAt { get; set; }

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}

/// <summary>Records that a user is deleted. Otherwise a token that is still valid could create a to-do that nobody can delete.</summary>
public sealed class DeletedUser
{
    /// <summary>The user that was deleted.</summary>
    public Guid UserId { get; init; }

    /// <summary>When this service learned of the deletion.</summary>
    public DateTimeOffset DeletedAt { get; init; }
}
