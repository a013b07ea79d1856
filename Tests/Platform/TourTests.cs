using System.Diagnostics;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary><c>docs/tour.md</c>, pasted into a terminal block by block.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed partial class TourTests(RunningPlatform platform)
{
    private static readonly string[] Blocks =
        [.. Block().Matches(File.ReadAllText(Path.Combine(Root(), "docs", "tour.md"))).Select(match => match.Groups["text"].Value)];

    /// <summary>What the answers must say, in this sequence.</summary>
    private static readonly string[] Said =
    [
        "nonadmin4@email.com", "\"username\":\"clerk\"",
        "\"nextCursor\":", "\"quantity\":2", "\"orderId\":", "\"status\":\"Confirmed\"",
        "\"unavailable\":[]", "\"items\":[]", "\"status\":409", "\"status\":\"Cancelled\"",
        "\"status\":\"Rejected\"", "\"items\":[]", "\"status\":404",
        "\"month\":", "\"revenue\":", "\"sku\":",
        "Try MicroPlatform", "Try MicroPlatform",
        "\"status\":400", "\"status\":400",
    ];

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    public async Task The_REST_blocks_of_the_tour_run_unchanged_in_a_shell(string shell)
    {
        var output = await PasteAsync(shell, Blocks.Where(block => !IsGrpc(block)));
        var at = 0;
        foreach (var part in Said)
        {
            var next = output.IndexOf(part, at, StringComparison.Ordinal);
            Assert.True(next >= 0, $"{part} does not follow after {output[..at]} in {output}");
            at = next + part.Length;
        }
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    public async Task The_gRPC_blocks_of_the_tour_run_unchanged_in_a_shell(string shell)
    {
        Assert.SkipUnless(IsInstalled("grpcurl"), "grpcurl is not installed.");
        string[] refusal = ["ERROR:", "Code:", "Message:", "Details:", "1)", "{", "}", "\"@", "\"field", "\"desc"];
        var output = await PasteAsync(
            shell, Blocks.Where(IsGrpc), line => refusal.Any(part => line.TrimStart().StartsWith(part, StringComparison.Ordinal)));
        Assert.Contains("nextCursor", output, StringComparison.Ordinal);
        Assert.Contains("Try gRPC", output, StringComparison.Ordinal);
    }

    [Fact]
    public void No_block_has_a_comment_that_zsh_would_run_as_a_command()
    {
        Assert.InRange(Blocks.Length, 12, 30);
        Assert.All(Blocks, block => Assert.DoesNotMatch("(^|\\s)#", block));
    }

    /// <summary>
    /// Pastes the blocks into a shell that reads no start-up files, and returns its output. Fails on an error line that is not expected.
    /// </summary>
    private async Task<string> PasteAsync(string shell, IEnumerable<string> blocks, Func<string, bool>? expected = null)
    {
        Assert.SkipUnless(IsInstalled(shell), $"{shell} is not installed.");
        Assert.SkipUnless(IsInstalled("curl"), "curl is not installed.");
        using var http = platform.Http();
        using var https = platform.Https();
        var text = string.Concat(blocks)
            .Replace("http://localhost:8080", http.BaseAddress!.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal)
            .Replace("localhost:8443", https.BaseAddress!.Authority, StringComparison.Ordinal);
        var folder = Directory.CreateTempSubdirectory("tour-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "pasted"), text, TestContext.Current.CancellationToken);
            // zsh runs interactively, because only then it runs comments as commands, and without prompts.
            var options = shell is "zsh" ? "-f -i -s +o promptsp +o promptcr" : "--norc --noprofile -s";
            var start = new ProcessStartInfo("sh", ["-c", $"exec {shell} {options} < pasted"]) { WorkingDirectory = folder };
            (start.Environment["PS1"], start.Environment["PS2"]) = ("", "");
            var (_, output, error) = await Programs.RunAsync(start);
            Assert.Equal("", string.Join('\n', error.Split('\n').Where(line => line.Trim().Length > 0 && expected?.Invoke(line) != true)));
            return output;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool IsGrpc(string block) =>
        block.Contains("grpc ", StringComparison.Ordinal) || block.Contains("grpcurl ", StringComparison.Ordinal);

    private static bool IsInstalled(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string Root()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "MicroPlatform.sln")))
        {
            at = at.Parent!;
        }

        return at.FullName;
    }

    [GeneratedRegex(
        "^```bash\n(?<text>.*?)^```$",
        RegexOptions.ExplicitCapture | RegexOptions.Multiline | RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block();
}
