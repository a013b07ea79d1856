using MicroPlatform.AppHost.Deployment;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.AppHost;

/// <summary>The configuration that all services share, and that of the Gateway.</summary>
internal static class ServiceExtensions
{
    private const int HttpPort = 8080;
    private const int HttpsPort = 8443;

    /// <summary>A service that only others of the platform call.</summary>
    public static IResourceBuilder<ProjectResource> AsInnerService(
        this IResourceBuilder<ProjectResource> service, PlatformSettings settings)
    {
        if (service.ApplicationBuilder.ExecutionContext.IsPublishMode)
        {
            return service.ConfigureInternalDeployment();
        }

        return service.WithDefaults(settings)
            .WithUrls(context => context.Urls.ForEach(url => url.DisplayLocation = UrlDisplayLocation.DetailsOnly));
    }

    /// <summary>The Gateway: fixed ports, a certificate, and links to its pages.</summary>
    /// <param name="gateway">The Gateway.</param>
    /// <param name="settings">The settings of the AppHost.</param>
    /// <param name="folder">The data folder; null when publishing.</param>
    /// <exception cref="StartupException">One of its ports is in use.</exception>
    public static IResourceBuilder<ProjectResource> AsPublicEntrance(
        this IResourceBuilder<ProjectResource> gateway, PlatformSettings settings, DataFolder? folder)
    {
        if (folder is null)
        {
            return gateway.ConfigurePublicDeployment();
        }

        gateway.WithDefaults(settings);
        Listen("http", nameof(PlatformSettings.HttpPort), settings.HttpPort, HttpPort);
        Listen("https", nameof(PlatformSettings.HttpsPort), settings.HttpsPort, HttpsPort);
        return gateway
            .WithCertificate(folder)
            .WithEnvironment("Dashboard__Url", gateway.ApplicationBuilder.Configuration["ASPNETCORE_URLS"]?.Split(';')[0] ?? "")
            .WithExternalHttpEndpoints()
            .WithUrlForEndpoint("http", url => url.DisplayText = "Home")
            .WithUrlForEndpoint("https", url => url.DisplayText = "Home (TLS)")
            .WithUrlForEndpoint("http", _ => new() { Url = "/#board", DisplayText = "Board" })
            .WithUrlForEndpoint("http", _ => new() { Url = "/scalar", DisplayText = "API reference" })
            .WithUrlForEndpoint("http", _ => new() { Url = "/protos", DisplayText = "gRPC" });

        void Listen(string name, string setting, int? wanted, int usual) => gateway.WithEndpoint(name, endpoint =>
        {
            endpoint.Port = wanted ?? (settings.Ephemeral ? null : usual);
            if (endpoint.Port is { } port)
            {
                Ports.RequireFree(port, "the Gateway", $"choose another with --{setting}=port");
            }
        });
    }

    /// <summary>Adds what runs beside the services: the restart after a crash, the orderly shutdown, the commands.</summary>
    public static void AddOperations(this IDistributedApplicationBuilder builder, PostgresServer postgres)
    {
        foreach (var address in (builder.Configuration["ASPNETCORE_URLS"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            const string WayOut = "choose another address with ASPNETCORE_URLS and --no-launch-profile";
            Ports.RequireFree(new Uri(address).Port, "the dashboard", WayOut);
        }

        builder.Services.AddSingleton(_ => postgres.Folder); // a factory, so that the folder is disposed with the application
        builder.Services.AddHostedService<OrderlyShutdown>(); // stops after CrashRestart, so that nothing is restarted meanwhile
        builder.Services.AddHostedService<CrashRestart>();
        builder.Services.AddHostedService<ReadyLine>();
        postgres.AddCommands();
    }

    private static IResourceBuilder<ProjectResource> WithDefaults(
        this IResourceBuilder<ProjectResource> service, PlatformSettings settings)
    {
        foreach (var endpoint in service.Resource.Annotations.OfType<EndpointAnnotation>())
        {
            // The ports in a service's own settings are for running it alone. Here they would collide between two platforms on a machine.
            endpoint.Port = null;

            if (settings.Replicas == 1)
            {
                // The orchestrator's proxy spreads calls over replicas. With one process it takes time and accepts unanswered calls.
                endpoint.IsProxied = false;
            }
        }

        if (settings.Replicas == 1)
        {
            service.WithEnvironment("Shutdown__Drain", "00:00:00"); // there is no other replica that callers could turn to
        }

        if (FindProgram(service) is { } program)
        {
            var folder = Path.GetDirectoryName(service.Resource.GetProjectMetadata().ProjectPath)!;
            service.WithAnnotation(new ExecutableAnnotation { Command = program, WorkingDirectory = folder });
        }

        return service
            .WithEnvironment("ASPNETCORE_ENVIRONMENT", service.ApplicationBuilder.Environment.EnvironmentName)
            .WithEnvironment("SeedDemoData", settings.SeedDemoData ? "true" : "false")
            .WithReplicas(settings.Replicas)
            .WithHttpHealthCheck("/health/ready", endpointName: "http");
    }

    /// <summary>
    /// The compiled program of the service, in the folder beside that of the AppHost. The orchestrator would start it through
    /// <c>dotnet run</c>, which takes 155 MB and seconds of processor time for each service while the service runs.
    /// Null for a debugger or <c>dotnet watch</c>, which start services their own way.
    /// </summary>
    private static string? FindProgram(IResourceBuilder<ProjectResource> service)
    {
        var configuration = service.ApplicationBuilder.Configuration;
        if (configuration["DEBUG_SESSION_PORT"] is not null || configuration["DOTNET_WATCH"] is not null)
        {
            return null;
        }

        var here = new FileInfo(typeof(ServiceExtensions).Assembly.Location).Directory!;
        var project = Path.GetFileNameWithoutExtension(service.Resource.GetProjectMetadata().ProjectPath);
        var file = OperatingSystem.IsWindows() ? project + ".exe" : project;
        var program = Path.Combine(here.Parent!.Parent!.FullName, project, here.Name, file);
        return File.Exists(program) ? program : null;
    }

    private static IResourceBuilder<ProjectResource> WithCertificate(this IResourceBuilder<ProjectResource> gateway, DataFolder folder) =>
        gateway.WithEnvironment(context =>
        {
#pragma warning disable ASPIRECERTIFICATES001 // Aspire's only way to ask for the development certificate
            var trusted = context.ExecutionContext.Services.GetRequiredService<IDeveloperCertificateService>();
            if (trusted is not { UseForHttps: true, Certificates.Count: > 0 })
#pragma warning restore ASPIRECERTIFICATES001
            {
                var own = GatewayCertificate.In(folder.Path);
                context.EnvironmentVariables["Kestrel__Certificates__Default__Path"] = own.CertificateFile;
                context.EnvironmentVariables["Kestrel__Certificates__Default__KeyPath"] = own.KeyFile;
            }
        });
}
