using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.AppHost.Operations;

/// <summary>
/// Stops the services before their database. The orchestrator alone stops all at once, and does not wait for the database to end.
/// </summary>
internal sealed class OrderlyShutdown(
    DistributedApplicationModel model, ResourceCommandService commands, DatabaseLogins logins, DataFolder folder) : IHostedService
{
    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(model.GetProjectResources().Select(service =>
            commands.ExecuteCommandAsync(service, KnownResourceCommands.StopCommand, cancellationToken)));
        await logins.DropBorrowedAsync(cancellationToken);
        foreach (var server in model.Resources.OfType<LocalPostgresResource>())
        {
            await server.StopAsync(cancellationToken);
        }

        folder.Dispose();
    }
}
