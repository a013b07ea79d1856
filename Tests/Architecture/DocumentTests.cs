using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;

namespace MicroPlatform.Tests.Architecture;

/// <summary>Everything that the documents link or name exists: pages, sections, files and tests.</summary>
public sealed partial class DocumentTests
{
    // A superseded decision may name files that no longer exist.
    private const string Superseded = "Status: superseded";

    private static readonly string[] Folders = ["docs", "deploy", "bench", "AppHost", "openapi"];

    // A run or a deployment writes these.
    private static readonly string[] Written = [".data/secrets.json", "secrets.json", "RESULTS.md"];

    private static readonly HashSet<string> Files = FindFiles().ToHashSet(StringComparer.Ordinal);

    public static TheoryData<string> Documents =>
    [
        .. Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal)
            && (!file.Contains('/', StringComparison.Ordinal) || Folders.Contains(file.Split('/')[0], StringComparer.Ordinal))),
    ];

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/architecture.md")]
    [InlineData("docs/adr/0002-messaging.md")]
    [InlineData("deploy/kubernetes/README.md")]
    public void A_document_is_found(string document) =>
        Assert.Contains(document, Documents.Select(found => found.Data), StringComparer.Ordinal);

    [Theory]
    [MemberData(nameof(Documents))]
    public void A_document_names_only_files_and_tests_that_exist(string document) => Assert.Empty(Missing(document, Read(document)));

    [Theory]
    [InlineData("see `Gone.cs`", "Gone.cs")]
    [InlineData("see `Cart/Product.cs` and `Cart/Gone.cs`", "Cart/Gone.cs")]
    [InlineData("shown by `GoneTests`", "GoneTests")]
    [InlineData("see [there](gone.md)", "gone.md")]
    [InlineData("see [there](tour.md#gone) and [here](gone.md#gone)", "tour.md#gone", "gone.md#gone")]
    [InlineData("`Cart/Product.cs`, `Product.cs`, `CartTests`, [tour](tour.md#the-shop), [web](https://example.com/gone.md)")]
    public void Broken_references_are_reported(string text, params string[] missing) =>
        Assert.Equal(missing, Missing("docs/made-up.md", text));

    private static IEnumerable<string> Missing(string document, string text)
    {
        if (text.Contains(Superseded, StringComparison.Ordinal))
        {
            return [];
        }

        var prose = CodeBlock().Replace(text, "");
        var names = Code().Matches(prose).Select(code => code.Groups["code"].Value);
        var files = names.Where(name => FileName().IsMatch(name) && !IsFile(document, name));
        var tests = names.Where(name => TestName().IsMatch(name) && !IsFile(document, $"{name}.cs"));
        var links = Link().Matches(prose).Select(link => link.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !TargetExists(document, target));
        return files.Concat(tests).Concat(links).Except(Written, StringComparer.Ordinal);
    }

    /// <summary>Whether it is a path from the root or from the document, or, without a folder, the name of any file.</summary>
    private static bool IsFile(string document, string name) =>
        Files.Contains(name) || Files.Contains(Resolve(document, name))
        || (!name.Contains('/', StringComparison.Ordinal) && Files.Any(file => file.EndsWith($"/{name}", StringComparison.Ordinal)));

    private static bool TargetExists(string document, string target)
    {
        var (path, section) = target.Split('#') is [var page, var heading] ? (page, heading) : (target, (string?)null);
        var file = path.Length == 0 ? document : Resolve(document, path);
        return section is null
            ? Files.Contains(file) || Directory.Exists(Path.Combine(Repository.Root, file))
            : Files.Contains(file) && Heading().Matches(Read(file)).Any(match =>
                string.Equals(Anchor(match.Groups["heading"].Value), section, StringComparison.Ordinal));
    }

    /// <summary>The anchor that GitHub gives a heading.</summary>
    private static string Anchor(string heading) =>
        NoAnchor().Replace(heading.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    private static string Resolve(string document, string path) => Path.GetRelativePath(
        Repository.Root, Path.GetFullPath(Path.Combine(Repository.Root, Path.GetDirectoryName(document)!, path))).Replace('\\', '/');

    private static string Read(string document) => File.ReadAllText(Path.Combine(Repository.Root, document));

    private static IEnumerable<string> FindFiles() => Directory.EnumerateFileSystemEntries(Repository.Root)
        .Where(entry => Path.GetFileName(entry) is not (".git" or ".data" or "artifacts" or "TestResults"))
        .SelectMany(entry => File.Exists(entry) ? [entry] : Directory.EnumerateFiles(entry, "*", SearchOption.AllDirectories))
        .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
        .Where(file => !file.Contains("/node_modules/", StringComparison.Ordinal));

    [GeneratedRegex("^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CodeBlock();

    [GeneratedRegex("`(?<code>[^`\n]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Code();

    [GeneratedRegex(@"^[\w./-]+\.(cs|csproj|props|targets|sln|md|json|ya?ml|sh|sql|proto|http|bicep|txt|html|js)$",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FileName();

    [GeneratedRegex("^[A-Z][A-Za-z]+Tests$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TestName();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Link();

    [GeneratedRegex("^#+ (?<heading>.+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NoAnchor();
}
