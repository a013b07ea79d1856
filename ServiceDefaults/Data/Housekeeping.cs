using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Deletes expired rows and runs the housekeeping tasks once an hour.</summary>
internal sealed class Housekeeping<TContext>(IServiceScopeFactory scopes, TimeProvider time, ILogger<Housekeeping<TContext>> logger)
    : BackgroundService
    where TContext : ServiceDbContext
{
    // No message is redelivered after so long.
    private static readonly TimeSpan InboxLifetime = TimeSpan.FromDays(30);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromHours(1), time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            using var untraced = SuppressInstrumentationScope.Begin();
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<TContext>();
                var now = time.GetUtcNow();
                await db.IdempotencyKeys.Where(row => row.CreatedAt < now - Idempotency.Lifetime).ExecuteDeleteAsync(stoppingToken);
                await db.InboxMessages.Where(row => row.HandledAt < now - InboxLifetime).ExecuteDeleteAsync(stoppingToken);
                foreach (var task in scope.ServiceProvider.GetServices<IHousekeepingTask>())
                {
                    await task.RunAsync(stoppingToken);
                }
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                logger.LogWarning(failure, "Housekeeping failed; it is tried again in an hour");
            }
        }
    }
}

/// <summary>A task that a service runs once an hour, to delete or renew something.</summary>
internal interface IHousekeepingTask
{
    Task RunAsync(CancellationToken cancellationToken);
}
