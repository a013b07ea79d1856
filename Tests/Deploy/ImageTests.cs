using System.Diagnostics;
using System.Text.Json;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Deploy;

/// <summary>The content of the services' images.</summary>
[Trait("Speed", "slow")]
public sealed class ImageTests
{
    public static TheoryData<string> Services => [.. Manifest.Committed.Services.Select(service => service.Name)];

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_image_is_compiled_ahead_of_time_on_a_pinned_base_image_and_runs_without_root(string service)
    {
        var properties = await EvaluateAsync(service, "-p:_IsPublishing=true");

        Assert.Equal(("true", "linux-x64"), (properties["PublishReadyToRun"], properties["RuntimeIdentifier"]));
        Assert.Matches(
            @"^mcr\.microsoft\.com/dotnet/aspnet(:10\.0\.\d+-noble-chiseled|@sha256:[0-9a-f]{64})$", properties["ContainerBaseImage"]);
        Assert.Equal(($"microplatform/{service}", "1654"), (properties["ContainerRepository"], properties["ContainerUser"]));
    }

    [Fact]
    public async Task A_build_without_publishing_is_platform_independent()
    {
        var properties = await EvaluateAsync("cart");

        Assert.Equal(("", ""), (properties["PublishReadyToRun"], properties["RuntimeIdentifier"]));
    }

    private static async Task<Dictionary<string, string>> EvaluateAsync(string service, params string[] arguments)
    {
        var project = TestPlatform.ProjectOf(service);
        var (exitCode, output, error) = await Programs.RunAsync(new ProcessStartInfo("dotnet",
        [
            "msbuild", Path.Combine(Repository.Root, project, $"{project}.csproj"),
            "-getProperty:PublishReadyToRun,RuntimeIdentifier,ContainerBaseImage,ContainerRepository,ContainerUser", .. arguments,
        ]));
        Assert.True(exitCode is 0, output + error);
        using var json = JsonDocument.Parse(output);
        return json.RootElement.GetProperty("Properties").EnumerateObject()
            .ToDictionary(property => property.Name, property => property.Value.GetString()!, StringComparer.Ordinal);
    }
}
