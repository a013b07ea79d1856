using System.Globalization;
using System.Net.Sockets;
using System.Runtime;
using System.Text;

/// <summary>
/// Runs inside each service (<c>DOTNET_STARTUP_HOOKS</c>) and tells the benchmark how many bytes the process has allocated and
/// how many methods it has compiled: only the runtime itself knows. Until it is asked, its thread sleeps in <c>accept</c>.
/// </summary>
#pragma warning disable MA0047 // the runtime looks for this name
internal static class StartupHook
#pragma warning restore MA0047
{
    /// <summary>Names the folder of the sockets, one for each process.</summary>
    public const string FolderVariable = "BENCH_SOCKETS";

    /// <summary>Whether services export telemetry: <c>off</c> takes the dashboard's address from them.</summary>
    public const string TelemetryVariable = "BENCH_TELEMETRY";

    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is not { Length: > 0 } folder)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable(TelemetryVariable) is "off")
        {
            Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", null);
        }

        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketOf(folder, Environment.ProcessId)));
        listener.Listen();
        new Thread(() => Answer(listener)) { IsBackground = true, Name = "Benchmark" }.Start();
    }

    public static string SocketOf(string folder, int processId) => Path.Combine(folder, processId.ToString(CultureInfo.InvariantCulture));

    private static void Answer(Socket listener)
    {
        while (true)
        {
            using var caller = listener.Accept();
            caller.Send(Encoding.ASCII.GetBytes(string.Create(
                CultureInfo.InvariantCulture, $"{GC.GetTotalAllocatedBytes(precise: true)} {JitInfo.GetCompiledMethodCount()}")));
        }
    }
}
