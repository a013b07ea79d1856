using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Runtime.InteropServices;

namespace MicroPlatform.Bench;

/// <summary>The machine: whether it is large enough, and its description in the results.</summary>
internal static class Machine
{
    private const int LeastCores = 2;
    private const int LeastMemoryGiB = 4;
    private static readonly int[] PlatformPorts = [8080, 8443, 15000];

    public static string? PgBench { get; } = FindPostgresProgram("pgbench");

    /// <exception cref="BenchException">The machine has less than the benchmark needs, or a platform runs on it.</exception>
    public static void RequireEnough()
    {
        var listening = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Select(endpoint => endpoint.Port).ToHashSet();
        var problem = 0 switch
        {
            _ when !OperatingSystem.IsLinux() => "The benchmark reads /proc, so it needs Linux.",
            _ when Environment.ProcessorCount < LeastCores =>
                $"The benchmark needs {LeastCores} cores; here are {Environment.ProcessorCount}.",
            _ when AvailableKiB() / 1_048_576 is var free and < LeastMemoryGiB =>
                $"The benchmark needs {LeastMemoryGiB} GiB of free memory; here are {free} GiB.",
            _ when PgBench is null || FindPostgresProgram("postgres") is null =>
                "The benchmark needs the PostgreSQL programs postgres and pgbench: apt install postgresql.",
            _ when Array.Find(PlatformPorts, listening.Contains) is var port and > 0 =>
                $"Port {port} is in use: a platform seems to run already. Stop it first.",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BenchException(problem);
        }
    }

    /// <summary>Cores, model, memory, operating system and versions.</summary>
    public static string Describe(string postgresVersion)
    {
        var model = Value("/proc/cpuinfo", "model name");
        var memory = KiB("/proc/meminfo", "MemTotal") / 1_048_576.0;
        return string.Create(CultureInfo.InvariantCulture,
            $"{Environment.ProcessorCount} cores ({model}), {memory:0} GiB, {RuntimeInformation.OSDescription.Split('#')[0].Trim()}, ")
            + $"{RuntimeInformation.FrameworkDescription}, PostgreSQL {postgresVersion}";
    }

    public static string LoadAverage() => File.ReadAllText("/proc/loadavg").Split(' ')[0];

    /// <summary>The value of a line such as <c>MemTotal: 123 kB</c>.</summary>
    public static long KiB(string file, string name) => long.Parse(Value(file, name).Split(' ')[0], CultureInfo.InvariantCulture);

    public static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static long AvailableKiB() => KiB("/proc/meminfo", "MemAvailable");

    private static string Value(string file, string name) =>
        File.ReadLines(file).First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(':', 2)[1].Trim();

    private static string? FindPostgresProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, name))
            .Concat(Directory.Exists("/usr/lib/postgresql")
                ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(folder =>
                    Path.Combine(folder, "bin", name))
                : [])
            .FirstOrDefault(File.Exists);
}
