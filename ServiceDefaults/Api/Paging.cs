using System.Buffers.Text;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Linq.Expressions;
using System.Text;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The page of a list that the caller requests.</summary>
public sealed record PageQuery
{
    /// <summary>How many items a page holds when the caller does not say.</summary>
    public const int DefaultLimit = 50;

    /// <summary>How many items a page holds at most.</summary>
    public const int MaxLimit = 200;

    /// <summary>The page size, 1 to 200; 50 by default.</summary>
    [FromQuery(Name = "limit"), Range(1, MaxLimit), Description("The page size, 1 to 200; 50 by default.")]
    public int? Limit { get; init; }

    /// <summary>The <c>nextCursor</c> of the page before; absent for the first page.</summary>
    [FromQuery(Name = "cursor"), Description("The `nextCursor` of the previous page; absent for the first page.")]
    public string? Cursor { get; init; }
}

/// <summary>One page of a list.</summary>
/// <param name="Items">The items, ordered by id.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c> to get the next page; null on the last page.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Keyset paging: a page starts behind the last id of the one before, so page 10,000 costs the same as page 1.</summary>
public static class Paging
{
    /// <summary>Reads one page of <paramref name="query"/>, ordered by <paramref name="key"/>, in one statement.</summary>
    /// <exception cref="ProblemException">400 on <c>cursor</c> when it is not one that a page of this list gave.</exception>
    public static async Task<Page<TItem>> ToPageAsync<TEntity, TKey, TItem>(
        this IQueryable<TEntity> query,
        PageQuery page,
        Expression<Func<TEntity, TKey>> key,
        Expression<Func<TEntity, TItem>> select,
        Func<TItem, TKey> keyOf,
        CancellationToken cancellationToken)
        where TKey : struct, IParsable<TKey>, IFormattable
    {
        if (After<TKey>(page) is { } last)
        {
            var after = Expression.Property(Expression.Constant(new Box<TKey>(last)), nameof(Box<>.Value));
            query = query.Where(Expression.Lambda<Func<TEntity, bool>>(Expression.GreaterThan(key.Body, after), key.Parameters));
        }

        var limit = page.Limit ?? PageQuery.DefaultLimit;
        return ToPage(await query.OrderBy(key).Take(limit + 1).Select(select).ToListAsync(cancellationToken), limit, keyOf);
    }

    /// <summary>The id behind which the page starts; null for the first page.</summary>
    /// <exception cref="ProblemException">400 on <c>cursor</c> when it is not one that a page of this list gave.</exception>
    internal static TKey? After<TKey>(PageQuery page)
        where TKey : struct, IParsable<TKey> =>
        page.Cursor is { Length: > 0 } cursor ? Decode<TKey>(cursor) : null;

    /// <summary>A page of the items read. One item more than <paramref name="limit"/> means that there is a next page.</summary>
    internal static Page<TItem> ToPage<TItem, TKey>(List<TItem> items, int limit, Func<TItem, TKey> keyOf)
        where TKey : IFormattable
    {
        if (items.Count <= limit)
        {
            return new(items, NextCursor: null);
        }

        items.RemoveAt(limit);
        return new(items, Encode(keyOf(items[^1])));
    }

    /// <summary>
    /// A pattern for <c>ILIKE</c> that finds <paramref name="text"/> literally at any position; the escape character is <c>\</c>.
    /// </summary>
    public static string ContainsPattern(string text) => "%" + text
        .Replace(@"\", @"\\", StringComparison.Ordinal)
        .Replace("%", @"\%", StringComparison.Ordinal)
        .Replace("_", @"\_", StringComparison.Ordinal) + "%";

    private static string Encode<TKey>(TKey key) where TKey : IFormattable =>
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes(key.ToString(format: null, CultureInfo.InvariantCulture)));

    private static TKey Decode<TKey>(string cursor) where TKey : IParsable<TKey>
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(cursor.Length)];
        return Base64Url.IsValid(cursor)
            && Base64Url.TryDecodeFromChars(cursor, bytes, out var length)
            && TKey.TryParse(Encoding.ASCII.GetString(bytes, 0, length), CultureInfo.InvariantCulture, out var key)
                ? key
                : throw ProblemException.Invalid("cursor", "This is not a cursor of this list; leave it out to start at the first page.");
    }

    // EF Core turns a property into a parameter, not a constant, so that one plan serves every page.
    private sealed record Box<T>(T Value);
}
