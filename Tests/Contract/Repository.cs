using System.Text;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// The committed contract: <c>openapi/</c> has what the present code offers, <c>openapi/released/</c> what the last release offered.
/// </summary>
internal static class Repository
{
    private const string Command = "CONTRACT=update dotnet test --filter-namespace MicroPlatform.Tests.Contract";

    private static readonly string[] LineFiles = ["events.txt", "grpc.txt"];

    /// <summary>The folder of the solution.</summary>
    public static readonly string Root = FindRoot();

    private static readonly string Folder = System.IO.Path.Combine(Root, "openapi");

    /// <summary>
    /// Compares what the code offers with the committed file. <c>CONTRACT=update</c> writes the file first, <c>CONTRACT=release</c> also
    /// the released copy.
    /// </summary>
    public static void Hold(string file, string offered)
    {
        var mode = Environment.GetEnvironmentVariable("CONTRACT");
        if (mode is "update" or "release")
        {
            Write(file, offered);
        }

        if (mode is "release")
        {
            Write(System.IO.Path.Combine("released", file), offered);
        }

        var committed = Read(file);
        Assert.True(string.Equals(committed, offered, StringComparison.Ordinal), $"""
            openapi/{file} is not what the code offers:

            {Difference(committed.Split('\n'), offered.Split('\n'))}
            If this is meant, run
                {Command}
            and commit what it writes.
            """);
    }

    /// <summary>The text of the last release; fails when it is empty.</summary>
    public static string Released(string file)
    {
        var released = Read(System.IO.Path.Combine("released", file));
        Assert.False(string.IsNullOrWhiteSpace(released), $"openapi/released/{file} is empty, so no breaking change could be found.");
        return released;
    }

    /// <summary>
    /// The declared breaking changes of the OpenAPI documents: the list of <c>breaking-changes.md</c> without the entries for
    /// <c>events.txt</c> and <c>grpc.txt</c>.
    /// </summary>
    public static List<string> DeclaredBreakingChanges() =>
        [.. Declared().Where(line => !Array.Exists(LineFiles, file => line.StartsWith(PrefixOf(file), StringComparison.Ordinal)))];

    /// <summary>The released lines that are offered no more.</summary>
    public static List<string> Lost(string released, IEnumerable<string> offered) =>
        [
            .. released.Split('\n', StringSplitOptions.RemoveEmptyEntries).Except(offered, StringComparer.Ordinal)
            .Order(StringComparer.Ordinal),
        ];

    /// <summary>
    /// Compares what is offered with the last release. A line that is gone must be declared, as <c>grpc: no longer: ...</c> for
    /// <c>grpc.txt</c>.
    /// </summary>
    /// <returns>The lines that are gone.</returns>
    public static List<string> HoldToRelease(string file, IEnumerable<string> offered)
    {
        var lost = Lost(Released(file), offered);
        Assert.Contains(file, LineFiles);
        Assert.Equal(
            Declared().Where(line => line.StartsWith(PrefixOf(file), StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            lost.Select(line => $"{PrefixOf(file)}no longer: {line}"));
        return lost;
    }

    /// <summary>The lines that differ, with a few around them: <c>-</c> is committed, <c>+</c> is offered.</summary>
    internal static string Difference(string[] committed, string[] offered)
    {
        var start = committed.Zip(offered).TakeWhile(pair => string.Equals(pair.First, pair.Second, StringComparison.Ordinal)).Count();
        var longest = Math.Min(committed.Length, offered.Length) - start;
        var end = committed.Reverse().Zip(offered.Reverse()).Take(longest)
            .TakeWhile(pair => string.Equals(pair.First, pair.Second, StringComparison.Ordinal)).Count();
        var text = new StringBuilder();
        foreach (var (sign, lines) in new[]
        {
            (' ', committed[Math.Max(0, start - 4)..start]), ('-', committed[start..^end]), ('+', offered[start..^end]),
            (' ', committed[^end..].Take(2))
        })
        {
            foreach (var line in lines.Take(40))
            {
                text.Append(sign).Append(' ').Append(line).Append('\n');
            }
        }

        return text.ToString();
    }

    private static HashSet<string> Declared() => Read("breaking-changes.md").Split('\n')
        .Where(line => line.StartsWith("- ", StringComparison.Ordinal)).Select(line => line[2..].Split(" — ")[0].Trim())
        .ToHashSet(StringComparer.Ordinal);

    private static string PrefixOf(string file) => System.IO.Path.GetFileNameWithoutExtension(file) + ": ";

    // A missing file must fail the test: an empty one would have no lines to lose.
    private static string Read(string file) => File.ReadAllText(System.IO.Path.Combine(Folder, file)).ReplaceLineEndings("\n");

    private static void Write(string file, string text)
    {
        var path = System.IO.Path.Combine(Folder, file);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "MicroPlatform.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("These tests run from within the repository.");
        }

        return folder.FullName;
    }
}
