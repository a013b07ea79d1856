using System.Diagnostics;
using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.AppHost.Operations;

/// <summary>
/// Starts a process again when it crashes: at once, then with growing pauses. It does not start a process that a person stopped.
/// </summary>
internal sealed class CrashRestart(
    ResourceNotificationService notifications, ResourceCommandService commands, ResourceLoggerService logs, ILogger<CrashRestart> console)
    : BackgroundService
{
    // A service ends with this when its settings are wrong: starting it again would not help.
    private const int WrongSettings = 78;
    private static readonly TimeSpan InitialDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StableAfter = TimeSpan.FromSeconds(30);
    private readonly Dictionary<string, Run> _runs = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var change in notifications.WatchAsync(stoppingToken))
        {
            if (change.Resource is ProjectResource or LocalPostgresResource && change.Snapshot.State?.Text is { } state)
            {
                Follow(change, state, stoppingToken);
            }
        }
    }

    private void Follow(ResourceEvent change, string state, CancellationToken ct)
    {
        if (!_runs.TryGetValue(change.ResourceId, out var run))
        {
            run = _runs[change.ResourceId] = new();
        }

        var isRunning = string.Equals(state, KnownResourceStates.Running, StringComparison.Ordinal);
        if (run.IsRunning && KnownResourceStates.TerminalStates.Contains(state, StringComparer.Ordinal))
        {
            // A process that a person stops goes through the state Stopping, so it never ends directly from the state Running.
            run.Delay = Stopwatch.GetElapsedTime(run.Since) > StableAfter ? TimeSpan.Zero : NextDelay(run.Delay);
            _ = RestartAsync(change, run.Delay.Value, ct);
        }
        else if (isRunning && !run.IsRunning)
        {
            run.Since = Stopwatch.GetTimestamp();
        }

        run.IsRunning = isRunning;
    }

    private async Task RestartAsync(ResourceEvent ended, TimeSpan delay, CancellationToken ct)
    {
        var (name, exitCode) = (ended.Resource.Name, ended.Snapshot.ExitCode);
        var log = logs.GetLogger(ended.ResourceId);
        if (exitCode == WrongSettings)
        {
            console.LogError("{Resource} refuses its settings and stays stopped; its log says which.", name);
            return;
        }

        const string Restart = "{Resource} ended with exit code {ExitCode} and is started again in {Delay:0.0} s.";
        log.LogWarning(Restart, name, exitCode, delay.TotalSeconds);
        console.LogWarning(Restart, name, exitCode, delay.TotalSeconds);
        try
        {
            await Task.Delay(delay, ct);
            var started = await commands.ExecuteCommandAsync(ended.ResourceId, KnownResourceCommands.StartCommand, ct);
            if (!started.Success)
            {
                log.LogError("{Resource} could not be started again: {Reason}", name, started.Message);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The platform stops.
        }
    }

    private static TimeSpan NextDelay(TimeSpan? delay) => delay switch
    {
        null => TimeSpan.Zero,
        { Ticks: 0 } => InitialDelay,
        { } last => last * 2 < MaxDelay ? last * 2 : MaxDelay,
    };

    private sealed class Run
    {
        public bool IsRunning { get; set; }

        public long Since { get; set; }

        public TimeSpan? Delay { get; set; }
    }
}
