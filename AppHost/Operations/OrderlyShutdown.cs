using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.AppHost.Operations;

/// <summary>
/// Stops the services before their database. The orchestrator alone stops all at once, and does not wait for the database to end.
/// </summary>
internal sealed class OrderlyShutdown(
    DistributedApplicationModel model, ResourceCommandService commands, DatabaseLogins logins, DataFolder folder) : IHostedService
{
    private readonly Lock _gate = new();
    private Task? _stop;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Stops once. A test's host is stopped twice, and the second time another run may use the data folder.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _stop ??= StopOnceAsync(cancellationToken);
        }
    }

    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(model.GetProjectResources().Select(service =>
            commands.ExecuteCommandAsync(service, KnownResourceCommands.StopCommand, cancellationToken)));
        await logins.DropTemporaryAsync(cancellationToken);
        foreach (var server in model.Resources.OfType<LocalPostgresResource>())
        {
            await server.StopAsync(cancellationToken);
        }

        folder.Dispose();
    }
}
