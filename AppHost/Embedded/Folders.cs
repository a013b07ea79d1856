using System.Security.Cryptography;
using System.Text;

namespace MicroPlatform.AppHost;

/// <summary>Where the engine keeps what does not belong in the repository.</summary>
internal static class Folders
{
    // Root's home and everyone's temporary folder will not do for root: the server's account cannot enter the one,
    // and anyone may plant folders in the other.
    private const string Root = "/var/lib/microplatform";

    private const UnixFileMode Enterable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Holds the folders of <c>--ephemeral</c> runs.</summary>
    public static string Temporary => ServerAccount.Name is null ? Path.GetTempPath() : Create(Path.Combine(Root, "runs"));

    /// <summary>Holds downloaded binaries.</summary>
    public static string Cache => ServerAccount.Name is not null
        ? Create(Path.Combine(Root, "cache"))
        : Create(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create), "microplatform"));

    /// <summary>The database server's folder for a data folder: inside it, or elsewhere when its account could not get there.</summary>
    public static string Server(string dataFolder)
    {
        if (OperatingSystem.IsWindows() || ServerAccount.CanReach(dataFolder))
        {
            return Path.Combine(dataFolder, "postgres");
        }

        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)))[..16];
        return Path.Combine(Create(Path.Combine(Root, "data")), name);
    }

    /// <summary>Creates a folder that others may pass through but not list.</summary>
    public static string Create(string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            Own(folder);
        }

        return folder;
    }

    /// <exception cref="UnauthorizedAccessException">The folder is another account's.</exception>
    public static void Own(string folder)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, Enterable);
        }
    }
}
