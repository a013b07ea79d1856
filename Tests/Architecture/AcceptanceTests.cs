using System.Reflection;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;

namespace MicroPlatform.Tests.Architecture;

/// <summary>Compares the criteria in docs/acceptance.md with those that tests cite with <c>[Trait("Covers", …)]</c>.</summary>
public sealed partial class AcceptanceTests
{
    private static readonly string[] Listed =
    [
        .. Row().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "acceptance.md"))).Select(row => row.Groups["id"].Value),
    ];

    private static readonly HashSet<string> Cited = typeof(AcceptanceTests).Assembly.GetTypes()
        .SelectMany(type => type.GetMethods().Cast<MemberInfo>().Append(type))
        .SelectMany(member => member.GetCustomAttributes<TraitAttribute>())
        .Where(trait => string.Equals(trait.Name, "Covers", StringComparison.Ordinal))
        .Select(trait => trait.Value)
        .ToHashSet(StringComparer.Ordinal);

    [Fact]
    public void Every_criterion_is_listed_once() => Assert.Distinct(Listed, StringComparer.Ordinal);

    [Fact]
    public void Every_criterion_that_a_test_cites_is_listed() => Assert.Empty(Cited.Except(Listed, StringComparer.Ordinal));

    [Fact]
    public void Every_listed_criterion_is_cited_by_a_test() => Assert.Empty(Listed.Except(Cited, StringComparer.Ordinal));

    [GeneratedRegex(@"^\| (?<id>[ABCN]-\S+) \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Row();
}
