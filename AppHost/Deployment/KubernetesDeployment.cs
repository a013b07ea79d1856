using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace MicroPlatform.AppHost;

/// <summary>What a service needs in the Helm chart; compiled with the package that writes the chart (<c>-p:AspireKubernetes=true</c>).</summary>
internal static class KubernetesDeployment
{
    private const int User = 1654; // of the images

    public static void AddKubernetes(this IDistributedApplicationBuilder builder) =>
        builder.AddKubernetesEnvironment("kubernetes")
            .WithHelm(helm => helm.WithChartName("microplatform").WithReleaseName("microplatform").WithNamespace("microplatform"))
            .WithDashboard(enabled: false); // the chart's would let anyone in who reaches it

    /// <summary>Two hardened replicas with probes; telemetry goes where the ConfigMap <c>telemetry</c> says, if there is one.</summary>
    public static IResourceBuilder<ProjectResource> DeployOnKubernetes(this IResourceBuilder<ProjectResource> service, Action<KubernetesResource>? configure = null) =>
        service.WithReplicas(2).PublishAsKubernetesService(kubernetes =>
        {
            ((Deployment)kubernetes.Workload!).Spec.Strategy.RollingUpdate.MaxUnavailable = 0;
            var pod = kubernetes.Workload.PodTemplate.Spec;
            pod.AutomountServiceAccountToken = false;
            pod.EnableServiceLinks = false;
            pod.TerminationGracePeriodSeconds = 60; // 10 s until no proxy sends anything more, then up to 30 s for the requests under way
            pod.SecurityContext = new() { RunAsNonRoot = true, RunAsUser = User, RunAsGroup = User, SeccompProfile = new() { Type = "RuntimeDefault" } };
            pod.Volumes.Add(new() { Name = "tmp", EmptyDir = new() { SizeLimit = "64Mi" } });

            var container = pod.Containers[0];
            container.VolumeMounts.Add(new() { Name = "tmp", MountPath = "/tmp" });
            container.EnvFrom.Add(new() { ConfigMapRef = new() { Name = "telemetry", Optional = true } });
            container.SecurityContext = new() { AllowPrivilegeEscalation = false, ReadOnlyRootFilesystem = true, Capabilities = new() { Drop = { "ALL" } } };
            container.Resources = new() { Requests = { ["cpu"] = "250m", ["memory"] = "192Mi" }, Limits = { ["memory"] = "512Mi" } };
            container.Lifecycle = new() { PreStop = new() { Sleep = new() { Seconds = 10 }, Exec = null!, HttpGet = null!, TcpSocket = null! } };
            // A service listens once its database is migrated: five minutes are for that.
            container.StartupProbe = Probe("/health/live", every: 2, failures: 150);
            container.LivenessProbe = Probe("/health/live", every: 10, failures: 3);
            container.ReadinessProbe = Probe("/health/ready", every: 5, failures: 3);
            configure?.Invoke(kubernetes);
        });

    /// <summary>What arrives at the Gateway's second port is HTTP/2 in clear, REST and gRPC alike: the cluster's proxy has ended TLS.</summary>
    public static void ServeHttp2(KubernetesResource gateway) =>
        gateway.Service!.Spec.Ports.Single(port => string.Equals(port.Name, "https", StringComparison.Ordinal)).AppProtocol = "kubernetes.io/h2c";

    private static ProbeV1 Probe(string path, int every, int failures) => new()
    {
        HttpGet = new() { Path = path, Port = "http", Scheme = "HTTP" },
        PeriodSeconds = every,
        TimeoutSeconds = 3,
        FailureThreshold = failures,
    };
}
