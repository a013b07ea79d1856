#if ASPIRE
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The app model's own PostgreSQL, without the services.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private readonly DistributedApplication app;

    private PostgresServer(DistributedApplication app, string connectionString)
    {
        this.app = app;
        ConnectionString = connectionString;
    }

    public string ConnectionString { get; }

    public static async Task<PostgresServer> StartAsync()
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(["UseVolumes=false"]);
        foreach (var project in builder.Resources.OfType<ProjectResource>().ToList())
        {
            builder.Resources.Remove(project);
        }

        var started = await builder.BuildAsync();
        await started.StartAsync();
        await started.ResourceNotifications.WaitForResourceHealthyAsync("postgres").WaitAsync(TimeSpan.FromMinutes(3));
        return new(started, (await started.GetConnectionStringAsync("postgres"))!);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
#else
using MicroPlatform.AppHost;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The embedded engine's PostgreSQL, without the services.</summary>
internal sealed class PostgresServer(EmbeddedPostgres server) : IAsyncDisposable
{
    public string ConnectionString => server.ConnectionString;

    public static async Task<PostgresServer> StartAsync() => new(await EmbeddedPostgres.StartAsync());

    public ValueTask DisposeAsync() => server.DisposeAsync();
}
#endif
