using System.Diagnostics;

namespace MicroPlatform.AppHost;

/// <summary>One process of a service: started, watched, started again when it dies, ended.</summary>
internal sealed class ServiceProcess : IAsyncDisposable
{
    // What a service ends with when its settings are wrong, or its address is in use: starting it again would not help.
    private const int WrongSettings = 78;
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Steady = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BetweenProbes = TimeSpan.FromMilliseconds(100);
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(3) };
    private readonly ProcessOutput _output;
    private readonly RunFolder _run;
    private readonly Action _started;
    private CancellationTokenSource _stop = new();
    private Task _watch = Task.CompletedTask;
    private Process? _process;

    /// <param name="service">What to run.</param>
    /// <param name="name">Its name among the processes: the service's, with a number where there are several.</param>
    /// <param name="endpoints">Where it listens, by endpoint name.</param>
    /// <param name="run">Remembers the process.</param>
    /// <param name="log">Takes each line it writes.</param>
    /// <param name="started">Called after each start.</param>
    public ServiceProcess(Service service, string name, IReadOnlyDictionary<string, Uri> endpoints, RunFolder run, Action<string> log, Action started)
    {
        (Service, Name, Endpoints, _run, _output, _started) = (service, name, endpoints, run, new ProcessOutput(log), started);
    }

    public Service Service { get; }

    public string Name { get; }

    public IReadOnlyDictionary<string, Uri> Endpoints { get; }

    /// <summary>Its variables, over those of this process.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    public TimeSpan ReadyAfter { get; private set; }

    public Process? Process => _process is { HasExited: false } running ? running : null;

    /// <summary>What it wrote last.</summary>
    public string LastLines => _output.ToString();

    public void Start()
    {
        _stop.Dispose();
        _stop = new CancellationTokenSource();
        _process = Launch();
        _watch = WatchAsync(_stop.Token);
    }

    /// <exception cref="EngineException">Its settings are wrong; the message says which.</exception>
    public async Task WaitUntilReadyAsync(Stopwatch sinceStart, CancellationToken ct)
    {
        var address = new Uri(Endpoints["http"], "/health/ready");
        while (!await AnswersAsync(address, ct))
        {
            if (_process is { HasExited: true, ExitCode: WrongSettings } refused)
            {
                await refused.WaitForExitAsync(ct); // until its last line is read
                throw new EngineException($"{Name}: {LastLines}");
            }

            await Task.Delay(BetweenProbes, ct);
        }

        ReadyAfter = sinceStart.Elapsed;
    }

    /// <summary>Ends it for good.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _watch;
        if (_process is not null)
        {
            await Signals.EndAsync(_process, Signals.Terminate, CancellationToken.None);
            _run.Untrack(_process.Id);
            _process.Dispose();
            _process = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var endpoint in Endpoints.Values)
        {
            Ports.Return(endpoint.Port);
        }

        _stop.Dispose();
        _http.Dispose();
    }

    private async Task<bool> AnswersAsync(Uri address, CancellationToken ct)
    {
        try
        {
            using var answer = await _http.GetAsync(address, ct);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false; // does not listen yet
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false; // listens and does not answer in time
        }
    }

    private Process Launch()
    {
        var start = new ProcessStartInfo(DotnetHost.Path, [BuildOutput.Assembly(Service)])
        {
            UseShellExecute = false,
            WorkingDirectory = BuildOutput.ContentRoot(Service),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        DotnetHost.Clean(start.Environment);
        foreach (var (name, value) in Environment)
        {
            start.Environment[name] = value;
        }

        var process = System.Diagnostics.Process.Start(start)!;
        _run.Track(process, Signals.Terminate);
        process.StandardInput.Close();
        _output.Follow(process);
        return process;
    }

    private async Task WatchAsync(CancellationToken ct)
    {
        var pause = ShortestPause;
        var ran = Stopwatch.StartNew();
        try
        {
            while (true)
            {
                await _process!.WaitForExitAsync(ct);
                if (_process.ExitCode == WrongSettings && ReadyAfter == TimeSpan.Zero)
                {
                    return; // what was ready once may be so again, when its file is mended or its port given back
                }

                pause = ran.Elapsed > Steady ? ShortestPause : pause;
                await Task.Delay(pause, ct); // Ctrl-C ends it at the same time as it tells us to stop
                pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
                Restart();
                ran.Restart();
            }
        }
        catch (OperationCanceledException)
        {
            // It is being stopped, and that ends the watch.
        }
    }

    private void Restart()
    {
        var ended = _process!;
        try
        {
            _process = Launch();
            _output.Note($"ended with exit code {ended.ExitCode} and is started again");
            _run.Untrack(ended.Id);
            ended.Dispose();
            _started();
        }
        catch (Exception error) when (error is EngineException or System.ComponentModel.Win32Exception)
        {
            _output.Note($"cannot be started: {error.Message}"); // as while it is being built
        }
    }
}
