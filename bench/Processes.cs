using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace MicroPlatform.Bench;

/// <summary>Measures what processes use: processor time and memory from /proc, allocations from the hook inside them.</summary>
/// <param name="ids">The process of each name; those of <c>postgres</c> include its children.</param>
/// <param name="sockets">The folder of the hooks' sockets.</param>
internal sealed class Processes(IReadOnlyDictionary<string, int> ids, string sockets)
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every architecture
    public const string Postgres = "postgres";

    public IEnumerable<string> Names => ids.Keys;

    public string Sockets => sockets;

    public int IdOf(string name) => ids[name];

    /// <summary>Seconds of processor time that each has used.</summary>
    public Dictionary<string, double> CpuSeconds() => ids.ToDictionary(
        process => process.Key,
        process => process.Key is Postgres
            // The parent's figures include ended backends.
            ? Ticks(process.Value, withEnded: true) + ChildrenOf(process.Value).Sum(child => Ticks(child, withEnded: false))
            : Ticks(process.Value, withEnded: false),
        StringComparer.Ordinal);

    /// <summary>Proportional set size of each, in MiB.</summary>
    public Dictionary<string, double> PssMiB() => ids.ToDictionary(
        process => process.Key,
        process => (process.Key is Postgres ? [process.Value, .. ChildrenOf(process.Value)] : new[] { process.Value }).Sum(Pss),
        StringComparer.Ordinal);

    /// <summary>Bytes that all services together have allocated, and methods that they have compiled.</summary>
    public async Task<(long AllocatedBytes, long CompiledMethods)> RuntimeCountersAsync()
    {
        var (bytes, methods) = (0L, 0L);
        foreach (var (_, id) in ids.Where(process => process.Key is not Postgres))
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(StartupHook.SocketOf(sockets, id)));
            var buffer = new byte[64];
            var length = await socket.ReceiveAsync(buffer);
            var counters = Encoding.ASCII.GetString(buffer, 0, length).Split(' ');
            bytes += long.Parse(counters[0], CultureInfo.InvariantCulture);
            methods += long.Parse(counters[1], CultureInfo.InvariantCulture);
        }

        return (bytes, methods);
    }

    /// <summary>The process whose program this is.</summary>
    public static int? Find(string program) => Ids().Cast<int?>().FirstOrDefault(id =>
        string.Equals(TryRead(() => new FileInfo($"/proc/{id}/exe").LinkTarget), program, StringComparison.Ordinal));

    /// <summary>The environment a process was started with.</summary>
    public static Dictionary<string, string> EnvironmentOf(int id) =>
        File.ReadAllText($"/proc/{id}/environ").Split('\0', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);

    private static IEnumerable<int> Ids() => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName)
        .Where(name => int.TryParse(name, CultureInfo.InvariantCulture, out _)).Select(name =>
            int.Parse(name!, CultureInfo.InvariantCulture));

    private static int[] ChildrenOf(int id) => File.ReadAllText($"/proc/{id}/task/{id}/children")
        .Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(child => int.Parse(child, CultureInfo.InvariantCulture)).ToArray();

    // proc_pid_stat(5): utime and stime are the fields 14 and 15, those of ended children 16 and 17.
    private static double Ticks(int id, bool withEnded) => TryRead(() => File.ReadAllText($"/proc/{id}/stat")) is { } line
        ? line[(line.LastIndexOf(')') + 2)..].Split(' ')[11..(withEnded ? 15 : 13)].Sum(ticks =>
            double.Parse(ticks, CultureInfo.InvariantCulture)) / TicksPerSecond
        : 0;

    private static double Pss(int id) =>
        TryRead(() => Machine.KiB($"/proc/{id}/smaps_rollup", "Pss:").ToString(CultureInfo.InvariantCulture)) is { } size
            ? double.Parse(size, CultureInfo.InvariantCulture) / 1024
            : 0;

    // Null for a process that has ended meanwhile.
    private static string? TryRead(Func<string?> read)
    {
        try
        {
            return read();
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
