using System.Diagnostics;
using System.Runtime.InteropServices;

namespace MicroPlatform.AppHost;

/// <summary>Asks a process to end, and makes it when it does not.</summary>
internal static partial class Signals
{
    public const int Interrupt = 2;

    /// <summary>Stops a service, wherever it was started; what a shell puts into the background ignores Ctrl-C and SIGQUIT, and so do its children.</summary>
    public const int Terminate = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static async Task EndAsync(Process process, int signal, CancellationToken ct)
    {
        if (process.HasExited)
        {
            return;
        }

        // Windows has no such signal for a process without a window or console of its own.
        if (OperatingSystem.IsWindows() || Send(process.Id, signal) != 0 || !await ExitsAsync(process, ct))
        {
            process.Kill(entireProcessTree: true);
            await ExitsAsync(process, ct);
        }
    }

    private static async Task<bool> ExitsAsync(Process process, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Send(int processId, int signal);
}
