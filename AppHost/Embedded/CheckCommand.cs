using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Npgsql;

namespace MicroPlatform.AppHost;

/// <summary><c>check</c>: tells a person whether carts, orders, stock and books of a running platform agree.</summary>
internal static class CheckCommand
{
    private const int Holds = 0;
    private const int Violated = 1;
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1);

    private static readonly Option<string?> State = new("--state") { Description = "The state file of the run, if it was started with --state or --data; .data/state.json otherwise." };
    private static readonly Option<int> Wait = new("--wait") { Description = "Seconds that what is in flight has to settle before it counts as a violation.", DefaultValueFactory = _ => 10 };

    public static Command Create()
    {
        var command = new Command("check", """
            Checks that carts, orders, stock and books of a running platform agree, one line for each invariant.
            Exit code 0: all hold. 1: some do not (what is wrong is listed), or the databases cannot be reached.
            Under another engine, set ConnectionStrings__salesdb, __warehousedb, __accountingdb and __cartdb.
            """) { State, Wait };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken ct)
    {
        IReadOnlyList<Invariant> invariants;
        try
        {
            invariants = await LookAsync(ConnectionStrings(parsed.GetValue(State)), TimeSpan.FromSeconds(parsed.GetValue(Wait)), ct);
        }
        catch (EngineException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return Violated;
        }
        catch (NpgsqlException error)
        {
            await Console.Error.WriteLineAsync($"The databases cannot be read: {error.Message}");
            return Violated;
        }

        var width = invariants.Max(invariant => invariant.Name.Length);
        foreach (var invariant in invariants)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(invariant.Violations.Count == 0 ? "ok  " : "FAIL")}  {invariant.Name.PadRight(width)}  {invariant.Checked} checks of {invariant.Subject}, {invariant.Violations.Count} violations"));
            foreach (var violation in invariant.Violations)
            {
                Console.WriteLine($"      {violation}");
            }
        }

        return invariants.All(invariant => invariant.Violations.Count == 0) ? Holds : Violated;
    }

    // A busy platform always has something in flight: what counts is what was found at every look.
    private static async Task<IReadOnlyList<Invariant>> LookAsync(Func<string, string> connectionString, TimeSpan wait, CancellationToken ct)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (long)(wait.TotalSeconds * TimeProvider.System.TimestampFrequency);
        HashSet<string>? persistent = null;
        while (true)
        {
            var invariants = await Invariants.CheckAsync(connectionString, ct);
            var found = invariants.SelectMany(invariant => invariant.Violations).ToHashSet(StringComparer.Ordinal);
            (persistent ??= found).IntersectWith(found);
            if (persistent.Count == 0 || TimeProvider.System.GetTimestamp() >= deadline)
            {
                return [.. invariants.Select(invariant => invariant.KeepOnly(persistent))];
            }

            await Task.Delay(BetweenLooks, ct);
        }
    }

    /// <exception cref="EngineException">There is no such run.</exception>
    private static Func<string, string> ConnectionStrings(string? stateFile)
    {
        var given = Invariants.Databases.ToDictionary(database => database, database => Environment.GetEnvironmentVariable($"ConnectionStrings__{database}"), StringComparer.Ordinal);
        if (stateFile is null && given.Values.All(value => value is not null))
        {
            return database => given[database]!;
        }

        var file = Path.GetFullPath(stateFile ?? Path.Combine(BuildOutput.Root, ".data", PlatformState.FileName));
        if (!File.Exists(file))
        {
            throw new EngineException($"No platform runs here: there is no {file}. Start one with dotnet run --project AppHost, or name the state file of the one you mean with --state.");
        }

        try
        {
            using var state = JsonDocument.Parse(File.ReadAllText(file));
            var known = state.RootElement.GetProperty("connectionStrings").Deserialize<Dictionary<string, string>>()!;
            return Invariants.Databases.All(known.ContainsKey) ? database => known[database] : throw new EngineException($"The run that {file} describes is without {string.Join(", ", Invariants.Databases.Where(database => !known.ContainsKey(database)))}.");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new EngineException($"{file} is not the state file of a run: name the one you mean with --state.", error);
        }
    }
}
