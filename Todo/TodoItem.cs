using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Todo;

/// <summary>Something that somebody means to do.</summary>
public sealed class TodoItem
{
    /// <summary>Whose it is; part of the key, so that whatever reads or writes one names the owner.</summary>
    public Guid UserId { get; init; }

    /// <summary>The to-do's id.</summary>
    public long Id { get; init; }

    /// <summary>What to do, 1 to 200 characters, not only blanks.</summary>
    public required string Title { get; set; }

    /// <summary>More about it, up to 2000 characters, may be empty.</summary>
    public string Text { get; set; } = "";

    /// <summary>Whether it is done.</summary>
    public bool Completed { get; set; }

    /// <summary>By when it is to be done, or null.</summary>
    public DateTimeOffset? DueAt { get; set; }

    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was last changed, or null if it never was.</summary>
    public DateTimeOffset? UpdatedAt { get; set; }

    /// <summary>Row version.</summary>
    [Timestamp]
    public uint Version { get; private set; }
}

/// <summary>Remembers that a user is gone, so that a token which still lives makes no to-do that nobody could ever delete.</summary>
public sealed class DeletedUser
{
    /// <summary>The user that was deleted.</summary>
    public Guid UserId { get; init; }

    /// <summary>When this service heard of it.</summary>
    public DateTimeOffset DeletedAt { get; init; }
}
