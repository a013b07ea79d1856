using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>PostgreSQL refuses to run as root. There it runs as <c>postgres</c> or <c>nobody</c>, which owns its files.</summary>
internal static class ServerAccount
{
    // The server's account cannot enter root's home, and any user may create folders in the shared temporary folder.
    private const string RootFolder = "/var/lib/microplatform";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The account; null if the current account can run PostgreSQL.</summary>
    public static string? Name { get; } = !OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess ? Find() : null;

    /// <summary>The parent of temporary data folders.</summary>
    public static string TemporaryFolder => Name is null ? Path.GetTempPath() : CreateTraversable(Path.Combine(RootFolder, "runs"));

    /// <summary>The parent of downloaded programs.</summary>
    public static string CacheFolder => CreateTraversable(Name is null
        ? Path.Combine(Environment.GetFolderPath(
            Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create), "microplatform")
        : Path.Combine(RootFolder, "cache"));

    /// <summary>The folder for the server's files: inside the data folder, or elsewhere when the account cannot enter that one.</summary>
    public static string ServerFolder(string dataFolder)
    {
        if (Name is null || CanTraverse(new(dataFolder)))
        {
            return Path.Combine(dataFolder, "postgres");
        }

        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)))[..16];
        return Path.Combine(CreateTraversable(Path.Combine(RootFolder, "data")), name);
    }

    /// <summary>Creates the folder if it is missing. Everyone may pass through it, and only its owner lists it.</summary>
    public static string CreateTraversable(string folder) =>
        Create(folder, Private | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);

    /// <summary>Creates the folder if it is missing, and gives it to the account with all that is in it.</summary>
    public static async Task TakeOwnershipAsync(string folder, CancellationToken ct)
    {
        Create(folder, Private);
        if (Name is not null)
        {
            await RunAsync("chown", ["-R", Name, folder], asAccount: false, ct: ct);
        }
    }

    /// <summary>The command that runs a program as the account for as long as the program runs.</summary>
    public static (string Program, string[] Arguments) Command(string program) =>
        Name is null ? (program, []) : ("setpriv", [$"--reuid={Name}", $"--regid={Name}", "--clear-groups", program]);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its exit code and its output.</returns>
    public static async Task<(int ExitCode, string Output)> TryRunAsync(
        string program, IEnumerable<string> arguments, bool asAccount = true, string? folder = null, CancellationToken ct = default)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UserName = asAccount ? Name ?? "" : "",
            WorkingDirectory = folder ?? "",
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(ct);
            var error = process.StandardError.ReadToEndAsync(ct);
            await process.WaitForExitAsync(ct);
            return (process.ExitCode, (await output + await error).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <exception cref="StartupException">The program cannot be started, or its exit code is not 0.</exception>
    public static async Task RunAsync(
        string program, IEnumerable<string> arguments, bool asAccount = true, string? folder = null, CancellationToken ct = default)
    {
        try
        {
            var (exitCode, output) = await TryRunAsync(program, arguments, asAccount, folder, ct);
            if (exitCode != 0)
            {
                throw new StartupException($"{program} failed with exit code {exitCode}: {output}");
            }
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new StartupException($"{program} could not be started: {missing.Message}", missing);
        }
    }

    private static string Find() =>
        File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    private static bool CanTraverse(DirectoryInfo folder) =>
        (!folder.Exists || folder.UnixFileMode.HasFlag(UnixFileMode.OtherExecute)) && (folder.Parent is null || CanTraverse(folder.Parent));

    private static string Create(string folder, UnixFileMode mode)
    {
        Directory.CreateDirectory(folder);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, mode);
        }

        return folder;
    }
}
