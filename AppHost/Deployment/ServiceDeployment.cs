using Aspire.Hosting.Docker.Resources.ComposeNodes;
using Aspire.Hosting.Docker.Resources.ServiceNodes;
using Aspire.Hosting.Docker.Resources.ServiceNodes.Swarm;
using Azure.Provisioning.AppContainers;

namespace MicroPlatform.AppHost;

/// <summary>What a service needs where it is deployed, beyond what it needs when run.</summary>
internal static class ServiceDeployment
{
    private const int GatewayHttp = 8080;
    private const int GatewayHttps = 8443;

    /// <summary>A service that only others of the platform call.</summary>
    public static IResourceBuilder<ProjectResource> DeployInside(this IResourceBuilder<ProjectResource> service, PlatformDatabases databases)
    {
        if (databases.Target == DeploymentTarget.None)
        {
            return service;
        }

        // Publishing adds an https endpoint that nothing listens on.
        var endpoints = service.Resource.Annotations.OfType<EndpointAnnotation>().ToList();
        foreach (var added in endpoints.Where(endpoint => string.Equals(endpoint.Name, "https", StringComparison.Ordinal)))
        {
            service.Resource.Annotations.Remove(added);
        }

        // Nobody here asks for the caller's address, so none is taken from a header.
        service.DisableForwardedHeaders();
#if KUBERNETES
        if (databases.Target == DeploymentTarget.Kubernetes)
        {
            return service.DeployOnKubernetes();
        }
#endif
        service.WaitForCompletion(databases.Setup!);
        if (databases.Target == DeploymentTarget.Compose)
        {
            return service.PublishAsDockerComposeService((_, compose) => Harden(compose, replicas: 2));
        }

        // Container Apps routes one port of an app by HTTP, always with TLS; services call each other in clear on two, so both are plain TCP.
        foreach (var endpoint in endpoints)
        {
            endpoint.Transport = "tcp";
        }

        return service.PublishAsAzureContainerApp((_, app) =>
        {
            Configure(app, PortOf(endpoints));
            app.Template.Scale.MaxReplicas = 4;
            app.Template.Scale.Rules.Add(new ContainerAppScaleRule
            {
                Name = "cpu",
                Custom = new ContainerAppCustomScaleRule { CustomScaleRuleType = "cpu", Metadata = { ["type"] = "Utilization", ["value"] = "70" } },
            });
        });
    }

    /// <summary>The Gateway, which alone is reached from outside.</summary>
    public static IResourceBuilder<ProjectResource> DeployAtTheEdge(this IResourceBuilder<ProjectResource> gateway, DeploymentTarget target)
    {
        if (target == DeploymentTarget.None)
        {
            return gateway;
        }

        gateway.DisableForwardedHeaders(); // it reads them itself, from TrustedProxies; read twice, the second would be the caller's invention
        if (target == DeploymentTarget.Compose)
        {
            return gateway
                .WithEndpoint("http", endpoint => (endpoint.Port, endpoint.TargetPort) = (GatewayHttp, GatewayHttp))
                .WithEndpoint("https", endpoint => (endpoint.Port, endpoint.TargetPort) = (GatewayHttps, GatewayHttps))
                .WithEnvironment("Kestrel__Certificates__Default__Path", "/certificates/tls.crt")
                .WithEnvironment("Kestrel__Certificates__Default__KeyPath", "/certificates/tls.key")
                .PublishAsDockerComposeService((_, compose) =>
                {
                    Harden(compose, replicas: 1); // its ports are the machine's
                    compose.AddVolume(new Volume { Name = "certificates", Type = "bind", Source = "./certificates", Target = "/certificates", ReadOnly = true });
                });
        }

#if KUBERNETES
        if (target == DeploymentTarget.Kubernetes)
        {
            return gateway
                .WithEndpoint("http", endpoint => endpoint.TargetPort = GatewayHttp)
                .WithEndpoint("https", endpoint => endpoint.TargetPort = GatewayHttps)
                .WithEnvironment("Kestrel__Endpoints__https__Url", "http://*:8443")
                .WithEnvironment("Kestrel__Endpoints__https__Protocols", "Http2")
                // Whose word on a caller's address is believed: the cluster's proxies. The chart's values narrow it to theirs.
                .WithEnvironment("TrustedProxies__0", "10.0.0.0/8")
                .WithEnvironment("TrustedProxies__1", "172.16.0.0/12")
                .WithEnvironment("TrustedProxies__2", "192.168.0.0/16")
                .DeployOnKubernetes(KubernetesDeployment.ServeHttp2);
        }
#endif

        // The ingress ends TLS and speaks HTTP/2 to one port, for REST and gRPC alike; the other port is for probes.
        // Only the ingress can reach that port, so what it says of the caller is believed, and nothing said before it.
        return gateway
            .WithEndpoint("http", endpoint => endpoint.IsExternal = false)
            .WithEndpoint("https", endpoint => (endpoint.TargetPort, endpoint.Transport) = (GatewayHttps, "http2"))
            .WithEnvironment("Kestrel__Endpoints__https__Url", "http://*:8443")
            .WithEnvironment("Kestrel__Endpoints__https__Protocols", "Http2")
            .WithEnvironment("TrustedProxies__0", "0.0.0.0/0")
            .WithEnvironment("TrustedProxies__1", "::/0")
            .PublishAsAzureContainerApp((_, app) =>
            {
                Configure(app, GatewayHttp);
                app.Template.Scale.MaxReplicas = 8;
                app.Template.Scale.Rules.Add(new ContainerAppScaleRule
                {
                    Name = "http",
                    Http = new ContainerAppHttpScaleRule { Metadata = { ["concurrentRequests"] = "100" } },
                });
            });
    }

    private static int PortOf(IEnumerable<EndpointAnnotation> endpoints) =>
        endpoints.Single(endpoint => string.Equals(endpoint.Name, "http", StringComparison.Ordinal)).TargetPort!.Value;

    private static void Configure(ContainerApp app, int port)
    {
        app.Template.Scale.MinReplicas = 2;
        var container = app.Template.Containers[0].Value!;
        container.Resources.Cpu = 0.5;
        container.Resources.Memory = "1Gi";
        // A service listens once its database is migrated: two and a half minutes are for that.
        container.Probes.Add(Probe(ContainerAppProbeType.Startup, "/health/live", port, every: 15, failures: 10));
        container.Probes.Add(Probe(ContainerAppProbeType.Liveness, "/health/live", port, every: 10, failures: 3));
        container.Probes.Add(Probe(ContainerAppProbeType.Readiness, "/health/ready", port, every: 5, failures: 3));
    }

    private static ContainerAppProbe Probe(ContainerAppProbeType type, string path, int port, int every, int failures) => new()
    {
        ProbeType = type,
        HttpGet = new ContainerAppHttpRequestInfo { Path = path, Port = port, Scheme = ContainerAppHttpScheme.Http },
        PeriodSeconds = every,
        TimeoutSeconds = 3,
        FailureThreshold = failures,
    };

    /// <summary>Takes from a container what only an intruder would use.</summary>
    public static void Confine(Service compose)
    {
        compose.ReadOnly = true;
        compose.Tmpfs.Add("/tmp");
        compose.CapDrop.Add("ALL");
        compose.SecurityOpt.Add("no-new-privileges:true");
    }

    private static void Harden(Service compose, int replicas)
    {
        Confine(compose);
        compose.Restart = "unless-stopped";
        compose.StopGracePeriod = "40s";
        compose.Deploy = new Deploy { Replicas = replicas, Resources = new() { Limits = new() { Cpus = "1.0", Memory = "512M" } } };
    }
}
