using MicroPlatform.Tests.Contract;

namespace MicroPlatform.Tests.Deploy;

/// <summary>A committed file that follows from the app model.</summary>
internal static class CommittedFile
{
    /// <summary>Holds a file against what it should be, or, when <c>CONTRACT</c> says <c>update</c>, writes it.</summary>
    /// <param name="path">Where it is, seen from the root of the repository.</param>
    /// <param name="expected">What follows from the app model.</param>
    public static void Hold(string path, string expected)
    {
        var file = Path.Combine(Repository.Root, path);
        if (Environment.GetEnvironmentVariable("CONTRACT") is "update")
        {
            File.WriteAllText(file, expected);
        }

        var committed = File.Exists(file) ? File.ReadAllText(file).ReplaceLineEndings("\n") : "";
        Assert.True(string.Equals(committed, expected, StringComparison.Ordinal), $"""
            {path} is not what follows from the app model:

            {Repository.Difference(committed.Split('\n'), expected.Split('\n'))}
            If this is meant, run
                CONTRACT=update dotnet test --filter-namespace MicroPlatform.Tests.Deploy
            (twice when the manifest changes, as the templates follow from it) and commit what it writes.
            """);
    }
}
