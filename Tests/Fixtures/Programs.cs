using System.Diagnostics;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>Runs a program to its end and keeps what it said.</summary>
internal static class Programs
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);

    /// <summary>Fails, with what was said so far, when the program or anyone who holds its streams has not ended after three minutes.</summary>
    /// <param name="start">What to run; its streams are redirected here.</param>
    /// <param name="heard">Takes each line of its output as it comes.</param>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(ProcessStartInfo start, Action<string>? heard = null)
    {
        (start.UseShellExecute, start.RedirectStandardOutput, start.RedirectStandardError) = (false, true, true);
        using var process = new Process { StartInfo = start };
        var (output, error) = (new Lines(), new Lines());
        process.ErrorDataReceived += (_, line) => error.Add(line.Data);
        process.OutputDataReceived += (_, line) =>
        {
            output.Add(line.Data);
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
            var state = process.HasExited ? "has ended and its streams are held by another" : "has not ended";
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            Assert.Fail($"{start.FileName} {string.Join(' ', start.ArgumentList)} {state} after {Longest.TotalMinutes:0} min. It said: {output}\n{error}");
        }

        return (process.ExitCode, output.ToString().Trim(), error.ToString().Trim());
    }

    /// <summary>Lines that come from another thread.</summary>
    private sealed class Lines
    {
        private readonly Lock gate = new();
        private readonly List<string> all = [];

        public void Add(string? line)
        {
            lock (gate)
            {
                if (line is not null)
                {
                    all.Add(line);
                }
            }
        }

        public override string ToString()
        {
            lock (gate)
            {
                return string.Join('\n', all);
            }
        }
    }
}
