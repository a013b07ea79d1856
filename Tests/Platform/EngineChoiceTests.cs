using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>How a build decides between Aspire and the embedded engine, and how little hangs on it.</summary>
public sealed class EngineChoiceTests : IDisposable
{
    private static readonly string Root = FindRoot();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("microplatform-tests-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task The_socket_of_a_container_engine_chooses_aspire()
    {
        Directory.CreateDirectory(Path.Combine(folder.FullName, "podman"));
        using var engine = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        engine.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder.FullName, "podman", "podman.sock")));

        var settings = await EvaluateAsync(("XDG_RUNTIME_DIR", folder.FullName));

        Assert.Equal("true", settings["UseAspire"]);
    }

    [Fact]
    public async Task A_word_from_outside_outranks_what_is_found()
    {
        Assert.Equal("true", (await EvaluateAsync(("UseAspire", "true")))["UseAspire"]);
        Assert.Equal("false", (await EvaluateAsync(("UseAspire", "false")))["UseAspire"]);
    }

    [Fact]
    public async Task The_two_builds_do_not_meet_on_disk()
    {
        var aspire = await EvaluateAsync(("UseAspire", "true"), ("CI", "true"));
        var embedded = await EvaluateAsync(("UseAspire", "false"), ("CI", "true"));

        Assert.NotEqual(aspire["OutputPath"], embedded["OutputPath"], StringComparer.Ordinal);
        Assert.NotEqual(aspire["BaseIntermediateOutputPath"], embedded["BaseIntermediateOutputPath"], StringComparer.Ordinal);
        // The committed lock files are kept by the one build and out of sight of the other.
        Assert.Equal(("true", "true", ""), (embedded["RestorePackagesWithLockFile"], embedded["RestoreLockedMode"], embedded["NuGetLockFilePath"]));
        Assert.Equal(("", ""), (aspire["RestorePackagesWithLockFile"], aspire["RestoreLockedMode"]));
        Assert.StartsWith(Path.Combine(Root, "artifacts", "aspire"), Path.GetFullPath(aspire["NuGetLockFilePath"]), StringComparison.Ordinal);
    }

    [Fact]
    public void The_choice_changes_three_places_only()
    {
        string[] definition = ["Engine.props", "Directory.Packages.props"];
        string[] places = ["AppHost", "ServiceDefaults", "Tests"];
        var mentions = Directory.EnumerateFiles(Root, "*.*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file))
            .Where(file => Path.GetExtension(file) is ".cs" or ".csproj" or ".props" or ".targets" && file.Split(Path.DirectorySeparatorChar)[0] is not ("artifacts" or "bin" or "obj"))
            .Where(file => File.ReadAllText(Path.Combine(Root, file)) is var text && (text.Contains("UseAspire", StringComparison.Ordinal) || text.Contains("if ASPIRE", StringComparison.Ordinal) || text.Contains("if !ASPIRE", StringComparison.Ordinal)));

        Assert.All(mentions, file => Assert.True(definition.Contains(file, StringComparer.Ordinal) || places.Contains(file.Split(Path.DirectorySeparatorChar)[0], StringComparer.Ordinal), $"{file} depends on the engine"));
    }

    private static async Task<Dictionary<string, string>> EvaluateAsync(params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                "msbuild", Path.Combine(Root, "Cart", "Cart.csproj"), "-nodeReuse:false",
                "-getProperty:UseAspire,OutputPath,BaseIntermediateOutputPath,RestorePackagesWithLockFile,RestoreLockedMode,NuGetLockFilePath",
            ]);
        foreach (var inherited in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || name is "CI" or "UseAspire" or "XDG_RUNTIME_DIR").ToList())
        {
            start.Environment.Remove(inherited);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var (exitCode, output, _) = await Programs.RunAsync(start);
        Assert.True(exitCode == 0, output);
        using var answer = JsonDocument.Parse(output);
        return answer.RootElement.GetProperty("Properties").Deserialize<Dictionary<string, string>>()!;
    }

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "MicroPlatform.sln")))
        {
            at = at.Parent!;
        }

        return at.FullName;
    }
}
