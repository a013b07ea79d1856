using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Npgsql;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The app model's own PostgreSQL, without the services.</summary>
internal sealed class TestPostgres : IAsyncDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);
    private readonly DistributedApplication app;

    private TestPostgres(DistributedApplication app, string connectionString)
    {
        (this.app, ConnectionString) = (app, connectionString);
        Port = new NpgsqlConnectionStringBuilder(connectionString).Port;
    }

    /// <summary>Connects as the superuser.</summary>
    public string ConnectionString { get; }

    /// <summary>The server's port.</summary>
    public int Port { get; }

    /// <summary>The services of the AppHost.</summary>
    public IServiceProvider Services => app.Services;

    public static async Task<TestPostgres> StartAsync(params string[] arguments)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(["--Ephemeral=true", .. arguments]);
        foreach (var service in builder.Resources.OfType<ProjectResource>().ToList())
        {
            builder.Resources.Remove(service);
        }

        var started = await builder.BuildAsync();
        await started.StartAsync().WaitAsync(Longest);
        await started.ResourceNotifications.WaitForResourceHealthyAsync("postgres").WaitAsync(Longest);
        return new(started, (await started.GetConnectionStringAsync("postgres"))!);
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }
}
