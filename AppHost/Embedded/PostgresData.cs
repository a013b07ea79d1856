namespace MicroPlatform.AppHost;

/// <summary>The files of a new server, as <c>initdb</c> makes them.</summary>
internal static class PostgresData
{
    /// <summary>Makes them beside their place and moves them there when complete: a run killed in between leaves nothing that looks like data.</summary>
    /// <param name="binaries">Makes them.</param>
    /// <param name="folder">The server's own folder.</param>
    /// <param name="data">Their place in it.</param>
    /// <param name="superuser">The login that may do everything.</param>
    /// <param name="password">Its password.</param>
    /// <param name="ct">Stops it.</param>
    public static async Task CreateAsync(PostgresBinaries binaries, string folder, string data, string superuser, string password, CancellationToken ct)
    {
        var passwordFile = Path.Combine(folder, "password");
        var fresh = Path.Combine(folder, "data.new");
        if (Directory.Exists(fresh))
        {
            Directory.Delete(fresh, recursive: true);
        }

        PrivateFile.Write(passwordFile, password);
        await ServerAccount.OwnAsync(folder, ct);
        await Tool.RunAsync(
            binaries.Program("initdb"),
            [
                "--pgdata", fresh, "--username", superuser, "--pwfile", passwordFile, "--auth", "scram-sha-256", "--no-sync",
                "--encoding", "UTF8", "--lc-messages", "C", .. LocaleOptions(binaries),
            ],
            ServerAccount.Name, folder, ct);
        File.Delete(passwordFile);
        Directory.Move(fresh, data);
    }

    // Unicode letters whatever the machine's language, and the same order of strings everywhere.
    private static string[] LocaleOptions(PostgresBinaries binaries) =>
        binaries.Major >= 17 ? ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        : OperatingSystem.IsLinux() ? ["--locale", "C.UTF-8"]
        : OperatingSystem.IsMacOS() ? ["--locale", "en_US.UTF-8"]
        : [];
}
