using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using OpenTelemetry;

namespace MicroPlatform.Cart;

/// <summary>Settings of checkouts, section <c>Checkout</c>.</summary>
public sealed class CheckoutOptions
{
    /// <summary>After this time without an answer from Sales, a checkout is given up. The check runs five times as often.</summary>
    [Range(typeof(TimeSpan), "00:00:05", "1.00:00:00")]
    public TimeSpan GiveUpAfter { get; set; } = TimeSpan.FromMinutes(5);
}

/// <summary>Gives up checkouts that Sales has not answered in time, so that no cart stays locked.</summary>
internal sealed class CheckoutExpiry(
    IServiceScopeFactory scopes, IOptions<CheckoutOptions> options, TimeProvider time, ILogger<CheckoutExpiry> logger) : BackgroundService
{
    private static readonly ActivitySource Source = new(Telemetry.Prefix + "Cart");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.GiveUpAfter / 5, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await GiveUpOverdueAsync(stoppingToken);
            }
            catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Late checkouts could not be given up ({Reason}); it is tried again", failure.GetBaseException().Message);
            }
        }
    }

    private async Task GiveUpOverdueAsync(CancellationToken cancellationToken)
    {
        foreach (var late in await FindAsync(cancellationToken))
        {
            using var activity = Source.StartActivity("give up late checkout");
            await using var scope = scopes.CreateAsyncScope();
            if (await scope.ServiceProvider.GetRequiredService<Checkouts>().GiveUpUnansweredAsync(late, cancellationToken))
            {
                logger.LogWarning("Checkout {Checkout} had no answer from Sales and was given up", late.Id);
            }
        }
    }

    private async Task<List<Checkout>> FindAsync(CancellationToken cancellationToken)
    {
        using var untraced = SuppressInstrumentationScope.Begin();
        await using var scope = scopes.CreateAsyncScope();
        var startedBefore = time.GetUtcNow() - options.Value.GiveUpAfter;
        return await scope.ServiceProvider.GetRequiredService<CartDbContext>().Checkouts.AsNoTracking()
            .Where(c => c.SettledAt == null && c.OrderId == null && c.StartedAt <= startedBefore)
            .ToListAsync(cancellationToken);
    }
}
