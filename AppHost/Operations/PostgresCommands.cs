using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace MicroPlatform.AppHost.Operations;

/// <summary>Commands on the data of a running platform, in the dashboard or with <c>aspire resource postgres</c>.</summary>
internal static class PostgresCommands
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);
    private const int MaxChecks = 10;

    /// <summary>Adds <c>check-invariants</c> and <c>reset-demo-data</c> to the server.</summary>
    public static void AddCommands(this PostgresServer postgres) => postgres.Resource
        .WithCommand("check-invariants", "Check invariants", context => CheckAsync(postgres.Logins, context.CancellationToken), new()
        {
            Description = "Checks that carts, orders, stock and accounts agree.",
            IconName = "CheckmarkCircle",
            IsHighlighted = true,
        })
        .WithCommand("reset-demo-data", "Reset demo data", context => ResetAsync(context, postgres.Logins), new()
        {
            Description = "Stops the services, empties their databases and starts the services again, which fill them with demo data.",
            ConfirmationMessage = "This deletes all data of the platform. Go on?",
            IconName = "ArrowReset",
        });

    private static async Task<ExecuteCommandResult> CheckAsync(DatabaseLogins logins, CancellationToken ct)
    {
        var addresses = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (IResourceWithConnectionString database in logins.Databases)
        {
            addresses[database.Name] = (await database.GetConnectionStringAsync(ct))!;
        }

        try
        {
            var invariants = await CheckSettledAsync(name => addresses[name], ct);
            var broken = invariants.Count(invariant => invariant.Violations.Count > 0);
            var report = string.Join('\n', invariants.SelectMany(Describe));
            var answer = new CommandResultData { Value = report, DisplayImmediately = true };
            return broken == 0
                ? CommandResults.Success($"All {invariants.Count} invariants hold.", answer)
                : CommandResults.Failure($"{broken} of {invariants.Count} invariants do not hold.", answer);
        }
        catch (NpgsqlException unreachable)
        {
            return CommandResults.Failure($"The databases cannot be read: {unreachable.Message}");
        }
    }

    private static IEnumerable<string> Describe(Invariant invariant)
    {
        var verdict = invariant.Violations.Count == 0 ? "ok  " : "FAIL";
        var counts = FormattableString.Invariant(
            $"{invariant.Checked} checks of {invariant.Subject}, {invariant.Violations.Count} violations");
        return [$"{verdict}  {invariant.Name}: {counts}", .. invariant.Violations.Select(violation => $"      {violation}")];
    }

    // A busy platform always has events in flight, so only a violation that every check finds is real.
    private static async Task<IReadOnlyList<Invariant>> CheckSettledAsync(Func<string, string> connectionString, CancellationToken ct)
    {
        HashSet<string>? persistent = null;
        for (var check = 1; ; check++)
        {
            var invariants = await Invariants.CheckAsync(connectionString, ct);
            var found = invariants.SelectMany(invariant => invariant.Violations).ToHashSet(StringComparer.Ordinal);
            (persistent ??= found).IntersectWith(found);
            if (persistent.Count == 0 || check == MaxChecks)
            {
                return [.. invariants.Select(invariant => invariant.KeepOnly(persistent))];
            }

            await Task.Delay(CheckInterval, ct);
        }
    }

    private static async Task<ExecuteCommandResult> ResetAsync(ExecuteCommandContext context, DatabaseLogins logins)
    {
        var commands = context.Services.GetRequiredService<ResourceCommandService>();
        var services = context.Services.GetRequiredService<DistributedApplicationModel>().GetProjectResources().Where(HasDatabase).ToList();
        await ExecuteAsync(KnownResourceCommands.StopCommand);
        await logins.RecreateAsync(context.CancellationToken);
        var started = await ExecuteAsync(KnownResourceCommands.StartCommand);
        return started.FirstOrDefault(result => !result.Success)
            ?? CommandResults.Success("The databases are empty again, and the services start and fill them.");

        Task<ExecuteCommandResult[]> ExecuteAsync(string command) =>
            Task.WhenAll(services.Select(service => commands.ExecuteCommandAsync(service, command, context.CancellationToken)));
    }

    private static bool HasDatabase(ProjectResource service) =>
        service.Annotations.OfType<ResourceRelationshipAnnotation>().Any(relation => relation.Resource is ServiceDatabaseResource);
}
