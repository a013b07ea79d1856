using System.Runtime.Versioning;

namespace MicroPlatform.AppHost;

/// <summary>PostgreSQL refuses to run as root, so there it runs as <c>postgres</c> or <c>nobody</c>, and its files are theirs.</summary>
internal static class ServerAccount
{
    /// <summary>The account to run as; null where our own will do.</summary>
    public static string? Name { get; } = !OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess ? Find() : null;

    private static string Find()
    {
        var accounts = File.ReadLines("/etc/passwd").Select(line => line.Split(':')[0]).ToHashSet(StringComparer.Ordinal);
        return accounts.Contains("postgres") ? "postgres" : "nobody";
    }

    /// <summary>Creates the folder and hands it, with what an earlier run left in it, to the account.</summary>
    public static async Task OwnAsync(string folder, CancellationToken ct)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
            return;
        }

        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (Name is not null)
        {
            await Tool.RunAsync("chown", ["-R", Name, folder], ct: ct);
        }
    }

    /// <summary>Whether the account can open what is in the folder: every folder above it must let others through.</summary>
    [UnsupportedOSPlatform("windows")]
    public static bool CanReach(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            if (at.Exists && !at.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                return Name is null;
            }
        }

        return true;
    }
}
