using System.ComponentModel;
using System.Diagnostics;

namespace MicroPlatform.AppHost;

/// <summary>Runs a short-lived program to its end and returns what it said.</summary>
internal static class Tool
{
    /// <returns>The exit code, and standard output followed by standard error.</returns>
    public static async Task<(int ExitCode, string Output)> TryRunAsync(
        string program, IEnumerable<string> arguments, string? account = null, string? folder = null, CancellationToken ct = default)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UserName = account ?? "",
            WorkingDirectory = folder ?? "",
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start) ?? throw new EngineException($"{program} did not start.");
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

    /// <exception cref="EngineException">The program is missing or answered with another exit code than 0.</exception>
    public static async Task<string> RunAsync(
        string program, IEnumerable<string> arguments, string? account = null, string? folder = null, CancellationToken ct = default)
    {
        try
        {
            var (exitCode, output) = await TryRunAsync(program, arguments, account, folder, ct);
            return exitCode == 0 ? output : throw new EngineException($"{program} failed with exit code {exitCode}: {output}");
        }
        catch (Win32Exception error)
        {
            throw new EngineException($"{program} could not be started: {error.Message}", error);
        }
    }
}
