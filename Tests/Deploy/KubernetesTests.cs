using MicroPlatform.Tests.Contract;
using YamlDotNet.RepresentationModel;
using static MicroPlatform.Tests.Deploy.Yaml;

namespace MicroPlatform.Tests.Deploy;

/// <summary>
/// The files for Kubernetes give the services the same names, ports, settings and references as the app model's manifest.
/// </summary>
public sealed class KubernetesTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "deploy", "kubernetes");
    private static readonly Manifest Model = Manifest.Committed;

    [Fact]
    public void The_manifests_agree_with_the_app_model() => Assert.Equal(Expected(), Facts(Base()), StringComparer.Ordinal);

    /// <summary>The comparison must find each of these mistakes.</summary>
    [Theory]
    [InlineData("cart.yaml", "http://*:5111", "http://*:5112")]
    [InlineData("cart.yaml", "services__customers__grpc__0", "services__customer__grpc__0")]
    [InlineData("cart.yaml", "http://sales:5162", "http://sales:5161")]
    [InlineData("todo.yaml", "name: ConnectionStrings__tododb", "name: ConnectionStrings__todo")]
    [InlineData("todo.yaml", "key: busdb", "key: bus")]
    [InlineData("users.yaml", "name: users-keys", "name: customers-keys")]
    [InlineData("cart.yaml", "name: internal-calls", "name: cart-keys")]
    [InlineData("gateway.yaml", "name: InternalCalls__Key", "name: InternalCall__Key")]
    [InlineData("sales.yaml", "args: [--migrate]", "args: []")]
    [InlineData("users.yaml", "app.kubernetes.io/name: sales", "app.kubernetes.io/name: cart")]
    [InlineData("sales.yaml", "        - port: 5142\n", "")]
    [InlineData("users.yaml", "minReplicas: 2", "minReplicas: 1")]
    [InlineData("warehouse.yaml", "kind: PodDisruptionBudget", "kind: Budget")]
    [InlineData("gateway.yaml", "image: microplatform/gateway", "image: gateway")]
    [InlineData("customers.yaml", "appProtocol: kubernetes.io/h2c", "appProtocol: http")]
    [InlineData("kustomization.yaml", "  - todo.yaml\n", "")]
    public void A_mistake_in_a_manifest_is_detected(string file, string right, string wrong)
    {
        var manifests = Base();
        Assert.Contains(right, manifests[file], StringComparison.Ordinal);
        manifests[file] = manifests[file].Replace(right, wrong, StringComparison.Ordinal);

        Assert.NotEqual(Expected(), Facts(manifests), StringComparer.Ordinal);
    }

    [Fact]
    public void The_example_names_a_version_of_every_image() => Assert.Equal(
        Model.Services.Select(service => $"microplatform/{service.Name}").Order(StringComparer.Ordinal),
        Items(Documents(File.ReadAllText(Path.Combine(Folder, "overlays", "example", "kustomization.yaml"))).Single(), "images")
            .Select(image => Text(image, "name")));

    [Fact]
    public void Every_pod_runs_without_privileges_and_is_probed()
    {
        var manifests = Base();
        foreach (var (file, probed) in new[] { ("every-deployment.yaml", true), ("every-migration.yaml", false) })
        {
            var pod = At(Documents(manifests[file]).Single(), "spec", "template", "spec");
            var container = Items(pod, "containers").Single();
            Assert.Equal("true", Text(pod, "securityContext", "runAsNonRoot"));
            Assert.Equal("RuntimeDefault", Text(pod, "securityContext", "seccompProfile", "type"));
            Assert.Equal("false", Text(container, "securityContext", "allowPrivilegeEscalation"));
            Assert.Equal("true", Text(container, "securityContext", "readOnlyRootFilesystem"));
            Assert.Equal(["ALL"], Items(At(container, "securityContext", "capabilities"), "drop").Select(node => node.ToString()));
            Assert.NotEmpty(Text(container, "resources", "limits", "memory"));
            if (probed)
            {
                Assert.Equal("/health/live", Text(container, "livenessProbe", "httpGet", "path"));
                Assert.Equal("/health/live", Text(container, "startupProbe", "httpGet", "path"));
                Assert.Equal("/health/ready", Text(container, "readinessProbe", "httpGet", "path"));
            }
        }
    }

    /// <summary>The facts in the app model's manifest, a line for each.</summary>
    private static List<string> Expected()
    {
        var facts = new List<string>();
        foreach (var service in Model.Services)
        {
            var name = service.Name;
            var ports = Join(service.Ports);
            var connections = service.Databases.Select(database => $"ConnectionStrings__{database}={name}-databases/{database}").ToList();
            var callers = Join(Model.Services.Where(caller =>
                caller.References.Contains(name, StringComparer.Ordinal)).Select(caller => caller.Name));
            facts.Add($"kustomization lists {name}.yaml");
            facts.Add($"{name} runs microplatform/{name} on {ports}");
            facts.Add(
                $"{name} is called at "
                    + $"{Join(service.Bindings.Select(binding => $"{binding.TargetPort}{(binding.IsHttp2 ? " h2c" : "")}"))}");
            facts.Add($"{name} keeps 2 or more");
            facts.Add($"{name} is disrupted by 1");
            facts.Add($"{name} listens to {(service.IsPublic ? "the entrance" : callers)} on {ports}");
            var called = service.References.Select(reference => $"{reference} {Join(Find(reference).Ports)}");
            facts.Add($"{name} talks to {Join(called.Concat(connections.Count > 0 ? ["any 5432"] : []))}");
            var settings = service.Settings.SelectMany(setting => SettingOf(name, setting.Key, setting.Value));
            facts.Add($"{name} is told {Join(settings.Append($"OTEL_SERVICE_NAME={name}"))}");
            if (connections.Count > 0)
            {
                facts.Add($"{name} migrates by microplatform/{name} --migrate with {Join(connections)}");
            }
        }

        facts.Sort(StringComparer.Ordinal);
        return facts;
    }

    /// <summary>A setting of the manifest on a cluster, where secrets are references.</summary>
    private static IEnumerable<string> SettingOf(string service, string key, string value) => key.Split("__") switch
    {
        ["ConnectionStrings", var database] => [$"{key}={service}-databases/{database}"],
        ["InternalCalls", "Key"] => [$"{key}=internal-calls/key", "InternalCalls__PreviousKey=internal-calls/previous"],
        ["Accounts", "KeySecret"] => [$"{key}={service}-keys/secret", $"Accounts__PreviousKeySecret={service}-keys/previous"],
        _ => [$"{key}={Model.ForNetwork(value)}"],
    };

    /// <summary>The facts in the Kubernetes manifests, in the same form.</summary>
    private static List<string> Facts(Dictionary<string, string> manifests)
    {
        var facts = Items(Documents(manifests["kustomization.yaml"]).Single(), "resources").Select(file => file.ToString())
            .Where(file => Model.Services.Any(service => string.Equals($"{service.Name}.yaml", file, StringComparison.Ordinal)))
            .Select(file => $"kustomization lists {file}").ToList();
        foreach (var document in Model.Services.SelectMany(service => Documents(manifests[$"{service.Name}.yaml"])))
        {
            var name = Text(document, "metadata", "name");
            switch (Text(document, "kind"))
            {
                case "Deployment":
                    var container = Items(At(document, "spec", "template", "spec"), "containers").Single();
                    facts.Add(
                        $"{Text(document, "spec", "selector", "matchLabels", "app.kubernetes.io/name")} runs {Text(container, "image")} "
                            + $"on {Join(Items(container, "ports").Select(port => Text(port, "containerPort")))}");
                    var told = Settings(container).Where(setting => !setting.StartsWith("TrustedProxies__", StringComparison.Ordinal));
                    facts.Add($"{Text(document, "spec", "template", "metadata", "labels", "app.kubernetes.io/name")} is told {Join(told)}");
                    break;
                case "Service":
                    var names = Items(At(document, "spec"), "ports").Select(port =>
                        Text(port, "port") + Text(port, "appProtocol").Replace("kubernetes.io/", " ", StringComparison.Ordinal));
                    facts.Add($"{Text(document, "spec", "selector", "app.kubernetes.io/name")} is called at {Join(names)}");
                    break;
                case "HorizontalPodAutoscaler":
                    facts.Add($"{Text(document, "spec", "scaleTargetRef", "name")} keeps {Text(document, "spec", "minReplicas")} or more");
                    break;
                case "PodDisruptionBudget":
                    facts.Add(
                        $"{Text(document, "spec", "selector", "matchLabels", "app.kubernetes.io/name")} is disrupted by "
                            + $"{Text(document, "spec", "maxUnavailable")}");
                    break;
                case "NetworkPolicy":
                    var pod = Text(document, "spec", "podSelector", "matchLabels", "app.kubernetes.io/name");
                    var ingress = Items(At(document, "spec"), "ingress").Single();
                    facts.Add(
                        $"{pod} listens to {Join(Items(ingress, "from").Select(Peer))} on "
                            + $"{Join(Items(ingress, "ports").Select(port => Text(port, "port")))}");
                    var egress = Items(At(document, "spec"), "egress").Select(rule =>
                        $"{Join(Items(rule, "to").Select(Peer).DefaultIfEmpty("any"))} "
                            + $"{Join(Items(rule, "ports").Select(port => Text(port, "port")))}");
                    facts.Add($"{pod} talks to {Join(egress)}");
                    break;
                case "Job":
                    var job = Items(At(document, "spec", "template", "spec"), "containers").Single();
                    facts.Add(
                        $"{name.Replace("migrate-", "", StringComparison.Ordinal)} migrates by {Text(job, "image")} "
                            + $"{Join(Items(job, "args").Select(arg => arg.ToString()))} with {Join(Settings(job))}");
                    break;
                default:
                    facts.Add($"{name} is a {Text(document, "kind")}");
                    break;
            }
        }

        facts.Sort(StringComparer.Ordinal);
        return facts;
    }

    private static IEnumerable<string> Settings(YamlNode container) => Items(container, "env").Select(setting =>
        $"{Text(setting, "name")}=" + (Text(setting, "value") is { Length: > 0 } value
            ? value
            : $"{Text(setting, "valueFrom", "secretKeyRef", "name")}/{Text(setting, "valueFrom", "secretKeyRef", "key")}"));

    private static string Peer(YamlNode peer) =>
        Text(peer, "podSelector", "matchLabels", "app.kubernetes.io/name") is { Length: > 0 } service ? service
        : Text(peer, "namespaceSelector", "matchLabels", "microplatform.dev/ingress") is "true" ? "the entrance" : peer.ToString();

    private static DeployedService Find(string name) =>
        Model.Services.Single(service => string.Equals(service.Name, name, StringComparison.Ordinal));

    private static string Join<T>(IEnumerable<T> parts) => string.Join(", ", parts.Select(part => $"{part}").Order(StringComparer.Ordinal));

    private static Dictionary<string, string> Base() => Directory.EnumerateFiles(Path.Combine(Folder, "base"), "*.yaml")
        .ToDictionary(file => Path.GetFileName(file), File.ReadAllText, StringComparer.Ordinal);
}
