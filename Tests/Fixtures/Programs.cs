using System.Collections.Concurrent;
using System.Diagnostics;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>Runs a program to its end and keeps its output.</summary>
internal static class Programs
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);

    /// <summary>The folder of a project's built program, beside that of these tests.</summary>
    public static string FolderOf(string project)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.Combine(here.Parent!.Parent!.FullName, project, here.Name);
    }

    /// <summary>Makes a script executable; on Windows its name decides that.</summary>
    public static void MakeExecutable(string script)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>
    /// Fails with the output so far when the program, or a process that holds its streams, has not ended after three minutes.
    /// </summary>
    /// <param name="start">What to run; its streams are redirected here.</param>
    /// <param name="heard">Gets each line of the output as it arrives.</param>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(ProcessStartInfo start, Action<string>? heard = null)
    {
        (start.UseShellExecute, start.RedirectStandardOutput, start.RedirectStandardError) = (false, true, true);
        using var process = new Process { StartInfo = start };
        var (output, error) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        process.ErrorDataReceived += (_, line) => error.Enqueue(line.Data ?? "");
        process.OutputDataReceived += (_, line) =>
        {
            output.Enqueue(line.Data ?? "");
            heard?.Invoke(line.Data ?? "");
        };
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Longest, TestContext.Current.CancellationToken);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            var state = process.HasExited ? "has ended, but another process holds its streams" : "has not ended";
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            Assert.Fail(
                $"{start.FileName} {string.Join(' ', start.ArgumentList)} {state}: {late.Message} Output: {Text(output)}\n{Text(error)}");
        }

        return (process.ExitCode, Text(output), Text(error));

        static string Text(IEnumerable<string> lines) => string.Join('\n', lines).Trim();
    }
}
