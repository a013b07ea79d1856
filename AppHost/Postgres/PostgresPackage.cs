using System.Runtime.InteropServices;
using System.Text.Json;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>PostgreSQL as an npm package, for a machine that has Node.js but neither PostgreSQL nor containers.</summary>
internal static class PostgresPackage
{
    public const int Major = 18;
    private const string Version = "18.4.0-beta.17"; // the packaging is beta, not the PostgreSQL in it

    /// <param name="folders">Where npm may be.</param>
    /// <returns>The folder of the programs; null where npm, or a package for this machine, is missing.</returns>
    public static async Task<string?> InstallAsync(IEnumerable<string> folders)
    {
        var system = OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "darwin" : "linux";
        var package = $"@embedded-postgres/{system}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
        var folder = Path.Combine(ServerAccount.CacheFolder, $"postgres-{Version}");
        var programs = Path.Combine(folder, "node_modules", package, "native", "bin");
        if (Directory.Exists(folder))
        {
            return programs;
        }

        var npm = OperatingSystem.IsWindows() ? "npm.cmd" : "npm";
        if (folders.Select(candidate => Path.Combine(candidate, npm)).FirstOrDefault(File.Exists) is not { } program)
        {
            return null;
        }

        Console.WriteLine($"Downloading PostgreSQL with npm, once: {package}@{Version} into {folder}");
        var installing = Directory.CreateDirectory($"{folder}-{Guid.NewGuid():N}").FullName;
        try
        {
            // The package's install script only makes the links below, so no downloaded script needs to run.
            string[] arguments = ["install", "--prefix", installing, "--ignore-scripts", "--no-audit", "--no-fund", $"{package}@{Version}"];
            await ServerAccount.RunAsync(program, arguments, asAccount: false, installing);
            LinkLibraries(Path.Combine(installing, "node_modules", package));
            if (!Directory.Exists(folder)) // another run may have installed it meanwhile
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

        return programs;
    }

    // A package cannot hold links, so it lists them: { "source": the file, "target": the link }.
    private static void LinkLibraries(string package)
    {
        var list = Path.Combine(package, "native", "pg-symlinks.json");
        if (!File.Exists(list))
        {
            return; // the package for Windows has no links
        }

        foreach (var link in JsonSerializer.Deserialize<Link[]>(File.ReadAllText(list), JsonSerializerOptions.Web)!)
        {
            var source = Path.GetRelativePath(Path.GetDirectoryName(link.Target)!, link.Source);
            File.CreateSymbolicLink(Path.Combine(package, link.Target), source);
        }
    }

    private sealed record Link(string Source, string Target);
}
