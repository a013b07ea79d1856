using MicroPlatform.Tests.Contract;

namespace MicroPlatform.Tests.Deploy;

/// <summary>A committed file that is derived from the app model.</summary>
internal static class CommittedFile
{
    /// <summary>Compares a file with its expected content, or, with <c>CONTRACT=update</c>, writes it.</summary>
    /// <param name="path">Its path from the root of the repository.</param>
    /// <param name="expected">The content that the app model requires.</param>
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
