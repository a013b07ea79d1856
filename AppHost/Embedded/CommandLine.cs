using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;

namespace MicroPlatform.AppHost;

/// <summary>The options of <c>dotnet run --project AppHost</c> under the embedded engine.</summary>
internal static class CommandLine
{
    private const int Failed = 1;
    private const int Misused = 2;
    private const int MostReplicas = 20;

    private static readonly Option<bool> Ephemeral = new("--ephemeral") { Description = "Use a temporary folder and free ports; leave nothing behind." };
    private static readonly Option<bool> Reset = new("--reset") { Description = "Delete the data of earlier runs first." };
    private static readonly Option<int> Replicas = new("--replicas") { Description = "Run so many processes of each service (1 to 20).", DefaultValueFactory = _ => 1 };
    private static readonly Option<int?> Port = new("--port") { Description = "The Gateway's port for HTTP." };
    private static readonly Option<int?> HttpsPort = new("--https-port") { Description = "The Gateway's port for HTTPS." };
    private static readonly Option<string?> Data = new("--data") { Description = "Keep the data in this folder instead of .data." };
    private static readonly Option<string?> State = new("--state") { Description = "Write addresses, process ids and connection strings to this file (JSON) once ready." };

    public static async Task<int> RunAsync(string[] args)
    {
        var command = new RootCommand("Runs the platform on this machine without containers.") { Ephemeral, Reset, Replicas, Port, HttpsPort, Data, State };
        command.Subcommands.Add(CheckCommand.Create());
        Replicas.Validators.Add(result => InRange(result, MostReplicas));
        Port.Validators.Add(result => InRange(result, ushort.MaxValue));
        HttpsPort.Validators.Add(result => InRange(result, ushort.MaxValue));
        command.SetAction(RunPlatformAsync);

        var parsed = command.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            await Console.Error.WriteLineAsync(string.Join(Environment.NewLine, parsed.Errors.Select(error => error.Message)));
            await Console.Error.WriteLineAsync($"Options: {string.Join(", ", parsed.CommandResult.Command.Options.Select(option => option.Name))}");
            return Misused;
        }

        // Signals are ours: stopping everything in order takes longer than the parser would wait.
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
    }

    private static void InRange(OptionResult result, int most)
    {
        if (result.Tokens is [var token] && (!int.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) || number < 1 || number > most))
        {
            result.AddError($"{result.Option.Name} takes a number from 1 to {most}, not '{token.Value}'.");
        }
    }

    private static async Task<int> RunPlatformAsync(ParseResult parsed, CancellationToken ct)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        var console = new PlatformConsole();
        try
        {
            var options = new EmbeddedPlatformOptions
            {
                Ephemeral = parsed.GetValue(Ephemeral),
                Reset = parsed.GetValue(Reset),
                Replicas = parsed.GetValue(Replicas),
                HttpPort = parsed.GetValue(Port),
                HttpsPort = parsed.GetValue(HttpsPort),
                DataFolder = parsed.GetValue(Data),
                StateFile = parsed.GetValue(State),
                Log = console.Write,
            };
            await using var platform = await EmbeddedPlatform.StartAsync(options, stopping.Token);
            console.WriteTable(platform);
            await Task.Delay(Timeout.Infinite, stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            console.Write("platform", "stopped");
        }
        catch (EngineException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return Failed;
        }

        return 0;

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true; // often comes twice, from the terminal and from `dotnet run`
            stopping.Cancel();
        }
    }
}
