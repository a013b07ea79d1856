using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Marks a read, for databases whose connection string names several hosts: a primary and its streaming replicas.
/// GET requests are reads without the mark. Writes always go to the primary.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ReadsAttribute : Attribute
{
    /// <summary>
    /// Whether the read prefers a replica, which may lag behind the primary. Otherwise it prefers the primary, so that callers see their
    /// own writes, and uses a replica only while there is no primary.
    /// </summary>
    public bool AllowStaleRead { get; init; }
}

/// <summary>
/// Sends reads to the replicas of a database. With one host in the connection string it does nothing.
/// </summary>
public static class ReadReplicas
{
    /// <summary>Lets a list or report come from a read replica: for shared data, not for data that the caller has just changed.</summary>
    public static RouteHandlerBuilder AllowStaleRead(this RouteHandlerBuilder endpoint) =>
        endpoint.WithMetadata(new ReadsAttribute { AllowStaleRead = true });

    /// <summary>
    /// Gives each request a context on a suitable host. All contexts share one connection pool per host.
    /// </summary>
    internal static void AddReadReplicas<TContext>(
        this IServiceCollection services, string connectionString, Action<DbContextOptionsBuilder> configure)
        where TContext : ServiceDbContext
    {
        var primary = services.Last(service => service.ServiceType == typeof(TContext)).ImplementationFactory!;
        services.AddHttpContextAccessor();
        // Keyed by whether stale reads are allowed.
        services.AddKeyedSingleton(serviceKey: false, (provider, _) => PoolOf(provider, "prefer-primary"));
        services.AddKeyedSingleton(serviceKey: true, (provider, _) => PoolOf(provider, "prefer-standby"));
        services.AddScoped(provider => ReadModeOf(provider.GetRequiredService<IHttpContextAccessor>().HttpContext) is { } read
            ? provider.GetRequiredKeyedService<PooledDbContextFactory<TContext>>(read.AllowStaleRead).CreateDbContext()
            : (TContext)primary(provider));

        PooledDbContextFactory<TContext> PoolOf(IServiceProvider provider, string target)
        {
            var options = new DbContextOptionsBuilder<TContext>();
            options.UseNpgsql(new NpgsqlConnectionStringBuilder(connectionString) { TargetSessionAttributes = target }.ConnectionString);
            options.UseApplicationServiceProvider(provider);
            configure(options);
            using var scope = provider.CreateScope();
            options.UseModel(((TContext)primary(scope.ServiceProvider)).Model); // a compiled query works only with contexts of one model
            return new(options.Options);
        }
    }

    /// <summary>A context on the primary, or on a replica while there is none; null where there are no replicas.</summary>
    internal static TContext? GetReadContext<TContext>(this IServiceProvider services)
        where TContext : ServiceDbContext =>
        services.GetKeyedService<PooledDbContextFactory<TContext>>(serviceKey: false)?.CreateDbContext();

    private static ReadsAttribute? ReadModeOf(HttpContext? request) => request is null
        ? null
        : request.GetEndpoint()?.Metadata.GetMetadata<ReadsAttribute>()
            ?? (HttpMethods.IsGet(request.Request.Method) || HttpMethods.IsHead(request.Request.Method) ? new() : null);
}
