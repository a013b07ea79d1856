using System.Diagnostics;
using System.Globalization;
using MicroPlatform.AppHost;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>The AppHost in a process of its own, as a person starts it.</summary>
internal sealed class AppHostRun : IDisposable
{
    private readonly Process process;
    private readonly TaskCompletionSource<string> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> errors = [];

    public AppHostRun(string[] arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(Dotnet, [Path.Combine(Programs.FolderOf("AppHost"), "AppHost.dll"), .. arguments])
        {
            // as dotnet run does: the AppHost must not read the service's settings beside the tests
            WorkingDirectory = Path.Combine(Repository.Root, "AppHost"),
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in Dashboard().Concat(environment ?? Enumerable.Empty<KeyValuePair<string, string>>()))
        {
            start.Environment[name] = value;
        }

        start.Environment.Remove("ConnectionStrings__postgres");
        process = new() { StartInfo = start };
        process.ErrorDataReceived += (_, line) =>
        {
            if (!string.IsNullOrEmpty(line.Data))
            {
                errors.Add(line.Data);
            }
        };
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.StartsWith("Ready after", StringComparison.Ordinal) == true)
            {
                ready.TrySetResult(line.Data);
            }
        };
        process.Start();
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static string Dotnet { get; } =
        Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    public int ProcessId => process.Id;

    public bool HasExited => process.HasExited;

    public IReadOnlyList<string> Errors => errors;

    /// <summary>Waits until the AppHost says that it is ready.</summary>
    /// <returns>The line in which it says so.</returns>
    public async Task<string> ReadyAsync()
    {
        var ended = process.WaitForExitAsync(Cancel);
        Assert.True(
            await Task.WhenAny(ready.Task, ended).WaitAsync(TimeSpan.FromMinutes(5), Cancel) == ready.Task, string.Join('\n', errors));
        return await ready.Task;
    }

    public async Task<int> ExitCodeAsync()
    {
        await process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromMinutes(2), Cancel);
        return process.ExitCode;
    }

    public void Kill() => process.Kill();

    public void Terminate() => Process.Start("kill", process.Id.ToString(CultureInfo.InvariantCulture)).WaitForExit();

    public void Dispose()
    {
        if (!process.HasExited)
        {
            Terminate();
            if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
            {
                process.Kill();
            }
        }

        process.Dispose();
    }

    // The values of the launch profile, with ports for this run.
    private static IEnumerable<KeyValuePair<string, string>> Dashboard() =>
    [
        new("ASPNETCORE_ENVIRONMENT", "Development"),
        new("ASPIRE_ALLOW_UNSECURED_TRANSPORT", "true"),
        new("ASPNETCORE_URLS", $"http://localhost:{Ports.Free()}"),
        new("ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", $"http://localhost:{Ports.Free()}"),
        new("ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL", $"http://localhost:{Ports.Free()}"),
    ];
}
