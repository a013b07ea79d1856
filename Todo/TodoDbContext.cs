using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Todo;

/// <summary>The database of Todo.</summary>
public sealed class TodoDbContext(DbContextOptions<TodoDbContext> options) : ServiceDbContext(options)
{
    /// <summary>Name under which a trigger refuses a to-do for a deleted user; see the migration.</summary>
    public const string OwnerLivesConstraint = "ck_todos_owner_lives";

    /// <summary>The to-dos of all users.</summary>
    public DbSet<TodoItem> Todos => Set<TodoItem>();

    /// <summary>The deleted users.</summary>
    public DbSet<DeletedUser> DeletedUsers => Set<DeletedUser>();

    /// <summary>Adds a few to-dos for Users' demo accounts alice and bob, once.</summary>
    public static async Task SeedAsync(TodoDbContext db, CancellationToken cancellationToken)
    {
        if (await db.Todos.AnyAsync(cancellationToken))
        {
            return;
        }

        var alice = Guid.Parse("01900000-0000-7000-8000-000000000003");
        var bob = Guid.Parse("01900000-0000-7000-8000-000000000004");
        var now = DateTimeOffset.UtcNow;
        db.AddRange(
            new TodoItem
            {
                UserId = alice,
                Title = "Water the plants",
                Text = "The fern gets twice as much.",
                CreatedAt = now,
                DueAt = now.AddDays(1),
            },
            new TodoItem { UserId = alice, Title = "Book the train", CreatedAt = now, Completed = true, UpdatedAt = now },
            new TodoItem { UserId = alice, Title = "Plan the party 🎉", Text = "Cake, candles, and someone who can sing.", CreatedAt = now },
            new TodoItem { UserId = bob, Title = "Return the library books", CreatedAt = now, DueAt = now.AddDays(3) },
            new TodoItem { UserId = bob, Title = "Fix the bicycle", Text = "Rear brake.", CreatedAt = now });
        await db.SaveChangesAsync(cancellationToken);
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.HasPostgresExtension("pg_trgm");
        modelBuilder.Entity<TodoItem>(todo =>
        {
            todo.ToTable("todos", table => table.HasCheckConstraint("ck_todos_title", "title <> ''"));
            // The key contains the owner and the order of every list, so its index serves all lists.
            todo.HasKey(t => new { t.UserId, t.Id });
            todo.Property(t => t.Id).UseIdentityByDefaultColumn();
            todo.Property(t => t.Title).HasMaxLength(TodoRequest.MaxTitleLength);
            todo.Property(t => t.Text).HasMaxLength(2000);
            todo.HasIndex(t => new { t.UserId, t.Completed, t.Id });
            todo.HasIndex(t => new { t.Title, t.Text }).HasMethod("gin").HasOperators("gin_trgm_ops", "gin_trgm_ops");
        });
        modelBuilder.Entity<DeletedUser>().HasKey(user => user.UserId);
    }
}
