namespace MicroPlatform.AppHost.Deployment;

/// <summary>What a service needs in a deployment, beyond what it needs in a local run.</summary>
internal static class ServiceDeployment
{
    private const int GatewayHttp2Port = 8443;

    /// <summary>Refuses to publish anything but the manifest, the only target that this platform supports.</summary>
    /// <exception cref="StartupException">Another target is asked for, or no file is named.</exception>
    public static void RequireManifest(this IDistributedApplicationBuilder builder)
    {
        if (builder.ExecutionContext.IsRunMode)
        {
            return;
        }

        const string Advice = "Write the manifest: dotnet run --project AppHost -- --publisher manifest --output-path manifest.json";
        if (builder.Configuration["Pipeline:Step"] is var step && step is not "publish-manifest")
        {
            var wanted = step ?? builder.Configuration["Publishing:Publisher"] ?? "everything";
            throw new StartupException($"This platform cannot publish {wanted}. {Advice}");
        }

        if (string.IsNullOrWhiteSpace(builder.Configuration["Pipeline:OutputPath"]))
        {
            throw new StartupException($"The file to publish to is not named. {Advice}");
        }
    }

    /// <summary>A service that only others of the platform call, at its <c>http</c> and <c>grpc</c> endpoints.</summary>
    public static IResourceBuilder<ProjectResource> ConfigureInternalDeployment(this IResourceBuilder<ProjectResource> service)
    {
        // Publishing adds an https endpoint that nothing listens on.
        // Container Apps makes the first endpoint an app's ingress, and the rest TCP ports.
        var endpoints = service.Resource.Annotations.OfType<EndpointAnnotation>().ToList();
        endpoints.ForEach(endpoint => service.Resource.Annotations.Remove(endpoint));
        endpoints.RemoveAll(endpoint => endpoint.Name is "https");
        foreach (var endpoint in endpoints.OrderByDescending(endpoint => endpoint.Name is "http"))
        {
            service.Resource.Annotations.Add(endpoint);
        }

        return service.DeployWithoutDemoData();
    }

    /// <summary>
    /// The Gateway, the only service that is reached from outside. Container Apps ends TLS and speaks HTTP/2 in clear to one port,
    /// for REST and gRPC.
    /// </summary>
    public static IResourceBuilder<ProjectResource> ConfigurePublicDeployment(this IResourceBuilder<ProjectResource> gateway) => gateway
        .WithEndpoint("https", endpoint =>
        {
            endpoint.UriScheme = "http"; // the ingress forwards clear text
            (endpoint.TargetPort, endpoint.Transport, endpoint.IsExternal) = (GatewayHttp2Port, "http2", true);
        })
        .WithEnvironment("Kestrel__Endpoints__https__Protocols", "Http2")
        // Only the ingress can reach that port, so its forwarded headers are trusted, but not those of its callers.
        .WithEnvironment("TrustedProxies__0", "0.0.0.0/0")
        .WithEnvironment("TrustedProxies__1", "::/0")
        .DeployWithoutDemoData();

    // The Gateway reads forwarded headers itself, by TrustedProxies. A second reading would trust a value that the caller invented.
    private static IResourceBuilder<ProjectResource> DeployWithoutDemoData(this IResourceBuilder<ProjectResource> service) =>
        service.DisableForwardedHeaders().WithEnvironment("SeedDemoData", "false");
}
