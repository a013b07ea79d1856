#if !ASPIRE
using System.Text.RegularExpressions;
using MicroPlatform.AppHost;

namespace MicroPlatform.Tests.Platform;

/// <summary>What the one engine is told in AppHost.cs, the other is told in PlatformModel.cs.</summary>
public sealed partial class EnginesAgreeTests
{
    [Fact]
    public void Both_engines_run_the_same_services_on_the_same_databases_with_the_same_references()
    {
        var statements = File.ReadAllText(Path.Combine(BuildOutput.Root, "AppHost", "AppHost.cs")).Split(";\n");
        var resources = statements.Select(statement => Resource().Match(statement)).Where(match => match.Success)
            .ToDictionary(match => match.Groups["variable"].Value, match => match.Groups["name"].Value, StringComparer.Ordinal);

        var aspire = statements.Select(statement => (statement, project: Project().Match(statement))).Where(pair => pair.project.Success).Select(pair => Describe(
            pair.project.Groups["name"].Value,
            pair.project.Groups["project"].Value,
            pair.statement.Contains(".WithExternalHttpEndpoints()", StringComparison.Ordinal),
            Reference().Matches(pair.statement).Select(reference => resources[reference.Groups["variable"].Value])));
        var embedded = PlatformModel.Services.Select(service => Describe(service.Name, service.Project, service.IsPublic, service.Databases.Concat(service.References)));

        Assert.Equal(embedded, aspire, StringComparer.Ordinal);
    }

    private static string Describe(string name, string project, bool isPublic, IEnumerable<string> references) =>
        $"{name} ({project}{(isPublic ? ", public" : "")}) refers to {string.Join(", ", references)}";

    [GeneratedRegex("""var (?<variable>\w+) = [^"]*"(?<name>\w+)"\)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Resource();

    [GeneratedRegex("""AddProject<Projects\.(?<project>\w+)>\("(?<name>\w+)"\)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Project();

    [GeneratedRegex("""\.WithReference\((?<variable>\w+)\)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Reference();
}
#endif
