#if !ASPIRE
using System.Diagnostics;
using MicroPlatform.AppHost;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary><c>dotnet run --project AppHost -- check</c>, as a person runs it beside a running platform.</summary>
[Collection(PlatformTestGroup.Name)]
public sealed class CheckCommandTests(RunningPlatform platform)
{
    private string State => Path.Combine(platform.Engine.DataFolder, "state.json");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sound_platform_is_told_so_a_line_for_each_invariant()
    {
        var (exitCode, output, _) = await RunAsync("check", "--state", State, "--wait", "60");
        Assert.True(exitCode == 0, output);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(8, lines.Length);
        Assert.All(lines, line => Assert.Matches("^ok    .+ [0-9]+ checks of [a-z ]+, 0 violations$", line));
    }

    [Fact]
    public async Task What_is_wrong_is_listed_and_the_exit_code_says_so()
    {
        await using var books = NpgsqlDataSource.Create(platform.Engine.ConnectionString("accountingdb"));
        await using var plant = books.CreateCommand("UPDATE transactions SET sum = sum + 1 WHERE id = 1");
        await using var mend = books.CreateCommand("UPDATE transactions SET sum = sum - 1 WHERE id = 1");
        await plant.ExecuteNonQueryAsync(Cancel);
        try
        {
            var (exitCode, output, _) = await RunAsync("check", "--state", State, "--wait", "0");
            Assert.Equal(1, exitCode);
            Assert.Contains("FAIL  Every confirmed order has one live transaction of its sum", output, StringComparison.Ordinal);
            Assert.Contains("      Order 1 costs 150.00, but 151.00 was posted.", output, StringComparison.Ordinal);
        }
        finally
        {
            await mend.ExecuteNonQueryAsync(Cancel);
        }
    }

    [Fact]
    public async Task The_databases_of_another_engine_are_named_by_the_variables_that_services_know()
    {
        var variables = Invariants.Databases.ToDictionary(database => $"ConnectionStrings__{database}", platform.Engine.ConnectionString, StringComparer.Ordinal);
        var (exitCode, output, _) = await RunAsync(variables, "check", "--wait", "60");
        Assert.True(exitCode == 0, output);
    }

    [Theory]
    [InlineData("passwords.json")]
    [InlineData("gateway.crt")]
    public async Task Another_file_than_that_of_a_run_is_told_apart(string file)
    {
        var (exitCode, _, error) = await RunAsync("check", "--state", Path.Combine(platform.Engine.DataFolder, file));
        Assert.Equal(1, exitCode);
        Assert.EndsWith($"{file} is not the state file of a run: name the one you mean with --state.", Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_platform_the_answer_says_how_to_start_or_name_one_and_help_says_all()
    {
        var (exitCode, _, error) = await RunAsync("check", "--state", Path.Combine(platform.Engine.DataFolder, "none.json"));
        Assert.Equal(1, exitCode);
        Assert.Contains("No platform runs here", error, StringComparison.Ordinal);
        Assert.Contains("--state", error, StringComparison.Ordinal);

        var (_, help, _) = await RunAsync("check", "--help");
        Assert.Contains("Exit code 0: all hold", help, StringComparison.Ordinal);
        Assert.Contains("ConnectionStrings__salesdb", help, StringComparison.Ordinal);
    }

    private static Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments) =>
        RunAsync(new Dictionary<string, string>(StringComparer.Ordinal), arguments);

    private static Task<(int ExitCode, string Output, string Error)> RunAsync(Dictionary<string, string> variables, params string[] arguments)
    {
        var start = new ProcessStartInfo(DotnetHost.Path, [Path.Combine(Programs.FolderOf("AppHost"), "AppHost.dll"), .. arguments]);
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        return Programs.RunAsync(start);
    }
}
#endif
