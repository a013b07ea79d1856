using System.Runtime.InteropServices;

namespace MicroPlatform.AppHost;

/// <summary>The <c>dotnet</c> that runs us runs the services.</summary>
internal static class DotnetHost
{
    // What is meant for us only: the superuser's connection, and what `dotnet run` and test runners say to the process they start.
    private static readonly string[] OurOwn =
    [
        "ConnectionStrings__", "services__", "Kestrel__", "ASPIRE_", "ASPNETCORE_URLS", "ASPNETCORE_HTTP_PORTS", "ASPNETCORE_HTTPS_PORTS",
        "HTTP_PORTS", "HTTPS_PORTS", "DOTNET_LAUNCH_PROFILE", "MSBUILD",
    ];

    public static string Path { get; } = System.IO.Path.GetFullPath(System.IO.Path.Combine(
        RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    /// <summary>Takes out what the services must not inherit.</summary>
    public static void Clean(IDictionary<string, string?> environment)
    {
        foreach (var name in environment.Keys.Where(name => OurOwn.Any(own => name.StartsWith(own, StringComparison.OrdinalIgnoreCase))).ToList())
        {
            environment.Remove(name);
        }
    }
}
