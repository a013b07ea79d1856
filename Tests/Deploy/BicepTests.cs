using System.Diagnostics;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Deploy;

/// <summary>The Bicep module compiles without a warning, and its parameters are those that the manifest gives.</summary>
[Trait("Speed", "slow")]
public sealed class BicepTests
{
    private static readonly string Module = Path.Combine(Repository.Root, "AppHost", "infra", "postgres.bicep");

    private static readonly string? Compiler = typeof(BicepTests).Assembly.GetCustomAttributes(
        typeof(System.Reflection.AssemblyMetadataAttribute), inherit: false)
        .Cast<System.Reflection.AssemblyMetadataAttribute>().SingleOrDefault(metadata => metadata.Key is "BicepCompiler")?.Value;

    [Theory]
    [InlineData("build")]
    [InlineData("lint")]
    public async Task The_module_compiles_without_a_warning(string command) =>
        Assert.Equal((0, ""), await BicepAsync(command, await File.ReadAllTextAsync(Module, TestContext.Current.CancellationToken)));

    /// <summary>The compiler only warns about an unknown or a missing property, and still ends with success.</summary>
    [Theory]
    [InlineData("backupRetentionDays: 14", "backupRetentionDay: 14")]
    [InlineData("    storageSizeGB: 128", "    storageSizeGB: 'much'")]
    [InlineData("mode: 'ZoneRedundant'", "modes: 'ZoneRedundant'")]
    [InlineData("cronExpression: '*/5 * * * *'", "cron: '*/5 * * * *'")]
    [InlineData("value: administratorPassword", "value: adminPassword")]
    [InlineData("@secure()\nparam administratorPassword", "param administratorPassword")]
    public async Task A_mistake_in_the_module_is_detected(string right, string wrong)
    {
        var text = (await File.ReadAllTextAsync(Module, TestContext.Current.CancellationToken)).ReplaceLineEndings("\n");
        Assert.Contains(right, text, StringComparison.Ordinal);

        Assert.NotEqual((0, ""), await BicepAsync("build", text.Replace(right, wrong, StringComparison.Ordinal)));
    }

    [Fact]
    public void The_manifest_gives_every_parameter_of_the_module_and_reads_its_output()
    {
        var text = File.ReadAllText(Module);
        var (_, resource) = Assert.Single(Manifest.Committed.OfType("azure.bicep.v0"));
        var given = resource.GetProperty("params").EnumerateObject()
            .ToDictionary(parameter => parameter.Name, parameter => parameter.Value.GetString(), StringComparer.Ordinal);

        Assert.Equal("../../AppHost/infra/postgres.bicep", resource.GetProperty("path").GetString());
        // azd itself adds the location, and fills in the environment where it is left empty.
        Assert.Equal(given.Keys.Append("location").Order(StringComparer.Ordinal), Names("param", text));
        Assert.Equal("", given["containerAppEnvironmentId"]);
        Assert.All(
            given.Keys.Where(name => name is not "containerAppEnvironmentId"),
            name => Assert.Contains($"@secure()\nparam {name} string", text.ReplaceLineEndings("\n"), StringComparison.Ordinal));
        Assert.Equal(["host"], Names("output", text));
        Assert.All(Manifest.Committed.OfType("value.v0"), database => Assert.StartsWith(
            "Host={postgres.outputs.host};", database.Resource.GetProperty("connectionString").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public void The_job_runs_the_script_that_the_other_targets_run() => Assert.Contains(
        $"var script = '''\n{File.ReadAllText(Path.Combine(Repository.Root, "AppHost", "infra", "logins.sh")).ReplaceLineEndings("\n")}'''",
        File.ReadAllText(Module).ReplaceLineEndings("\n"), StringComparison.Ordinal);

    private static IEnumerable<string> Names(string keyword, string text) =>
        Regex.Matches(text, $@"^{keyword} (?<name>\w+)", RegexOptions.Multiline, TimeSpan.FromSeconds(1))
            .Select(match => match.Groups["name"].Value).Order(StringComparer.Ordinal);

    private static async Task<(int ExitCode, string Error)> BicepAsync(string command, string text)
    {
        Assert.SkipWhen(Compiler is null, "The feed has no Bicep compiler for this machine.");
        var folder = Directory.CreateTempSubdirectory("microplatform-bicep-");
        try
        {
            var file = Path.Combine(folder.FullName, "postgres.bicep");
            await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
            Programs.MakeExecutable(Compiler); // NuGet unpacks it without the execute permission
            var (exitCode, _, error) = await Programs.RunAsync(new ProcessStartInfo(Compiler, [command, file]));
            return (exitCode, error);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
