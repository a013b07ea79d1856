using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Http;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>A service of the platform, whatever the type of its entry point.</summary>
internal interface IServiceHost : IAsyncDisposable
{
    IServiceProvider Services { get; }

    HttpClient CreateHttpClient();

    HttpMessageHandler CreateHandler();
}

/// <summary>One service in this process, with the databases and the clock of its platform.</summary>
internal sealed class ServiceHost<TProgram>(TestPlatform platform, string service) : WebApplicationFactory<TProgram>, IServiceHost
    where TProgram : class
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromMinutes(2);
    private readonly Lock starting = new();
    private IHostApplicationLifetime? lifetime;

    // Without the lock, concurrent callers would start the factory twice.
    public override IServiceProvider Services
    {
        get
        {
            lock (starting)
            {
                var services = base.Services;
                lifetime = services.GetRequiredService<IHostApplicationLifetime>();
                return services;
            }
        }
    }

    public HttpClient CreateHttpClient()
    {
        _ = Services;
        return CreateClient(new() { AllowAutoRedirect = false });
    }

    public HttpMessageHandler CreateHandler()
    {
        _ = Services;
        return Server.CreateHandler();
    }

    // The entry point disposes the service when it stops. If the factory stopped it, both would dispose it at the same time.
    public override async ValueTask DisposeAsync()
    {
        if (lifetime is not null)
        {
            var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = lifetime.ApplicationStopped.Register(() => stopped.TrySetResult());
            lifetime.StopApplication();
            await stopped.Task.WaitAsync(StopTimeout);
        }

        await base.DisposeAsync().AsTask().WaitAsync(StopTimeout);
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseEnvironment("Development");
        foreach (var other in TestPlatform.Names)
        {
            builder.UseSetting($"services:{other}:http:0", $"http://{other}");
            builder.UseSetting($"services:{other}:grpc:0", $"http://_grpc.{other}");
        }

        if (service is not "gateway")
        {
            builder.UseSetting($"ConnectionStrings:{service}db", platform.ConnectionString($"{service}db"));
            builder.UseSetting("ConnectionStrings:busdb", platform.ConnectionString("busdb"));
        }

        foreach (var (key, value) in platform.Settings)
        {
            builder.UseSetting(key, value);
        }

        builder.ConfigureTestServices(services =>
        {
            services.AddSingleton<TimeProvider>(platform.Clock);
            platform.Added?.Invoke(services);
            services.ConfigureAll<HttpClientFactoryOptions>(options =>
                options.HttpMessageHandlerBuilderActions.Add(handler => handler.PrimaryHandler = platform.CreateRouter()));
        });
    }
}
