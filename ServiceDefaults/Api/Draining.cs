using System.ComponentModel.DataAnnotations;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// After SIGTERM a replica keeps serving for a moment. Every answer and the readiness check announce the stop, so that callers move to
/// other replicas before this one stops listening. Ctrl-C and SIGQUIT stop at once.
/// </summary>
public sealed class Draining : IHostedLifecycleService, IHealthCheck, IDisposable
{
    /// <summary>The header that tells callers within the platform to use another replica from now on.</summary>
    public const string HeaderName = "X-Draining";

    private readonly TimeSpan period;
    private PosixSignalRegistration? registration;
    private volatile bool isStopping;

    internal Draining(TimeSpan period) => this.period = period;

    /// <inheritdoc />
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(isStopping ? HealthCheckResult.Unhealthy("This replica is about to stop.") : HealthCheckResult.Healthy());

    /// <inheritdoc />
    public Task StoppingAsync(CancellationToken cancellationToken) =>
        isStopping ? Task.Delay(period, cancellationToken) : Task.CompletedTask;

    /// <inheritdoc />
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        // The last handler added runs first, so this one runs before the host's, which begins the stop.
        registration = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => isStopping = true);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public void Dispose() => registration?.Dispose();

    internal Task AnnounceAsync(HttpContext context, RequestDelegate next)
    {
        if (isStopping)
        {
            context.Response.OnStarting(() =>
            {
                context.Response.Headers[HeaderName] = "true";
                if (HttpProtocol.IsHttp11(context.Request.Protocol))
                {
                    context.Response.Headers.Connection = "close";
                }

                return Task.CompletedTask;
            });
        }

        return next(context);
    }
}

/// <summary>How a replica stops, section <c>Shutdown</c>.</summary>
internal sealed class ShutdownOptions
{
    /// <summary>How long a replica keeps serving after SIGTERM.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:20")]
    public TimeSpan Drain { get; set; } = TimeSpan.FromSeconds(3);
}

/// <summary>Adds <see cref="Draining"/> to a service.</summary>
internal static class DrainingExtensions
{
    public static void AddDraining(this WebApplicationBuilder builder)
    {
        var options = builder.AddSettings<ShutdownOptions>("Shutdown");
        builder.Services.AddSingleton(_ => new Draining(options.Drain));
        builder.Services.AddHostedService(services => services.GetRequiredService<Draining>());
        builder.Services.AddHealthChecks()
            .Add(new("draining", services => services.GetRequiredService<Draining>(), failureStatus: null, ["ready"]));
    }
}
