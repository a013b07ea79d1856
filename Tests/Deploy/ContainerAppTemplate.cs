using System.Globalization;
using System.Text;

namespace MicroPlatform.Tests.Deploy;

/// <summary>
/// The template that azd deploys for a service: <c>AppHost/infra/SERVICE.tmpl.yaml</c> replaces azd's own template
/// (<c>containerApp.tmpl.yaml</c>). It has the same settings and adds replicas and probes.
/// </summary>
internal static class ContainerAppTemplate
{
    private const string Source = "Tests/Deploy/ContainerAppTemplate.cs";

    /// <summary>The template of a service.</summary>
    public static string Of(Manifest manifest, DeployedService service)
    {
        var settings = service.Environment.Where(variable => !Manifest.IsSecret(variable.Value))
            .OrderBy(variable => variable.Key, StringComparer.Ordinal);
        var secrets = service.Environment.Where(variable => Manifest.IsSecret(variable.Value))
            .OrderBy(variable => variable.Key, StringComparer.Ordinal).ToList();
        // As in azd's aca_ingress.go, the external port is the ingress, else the first port.
        var ingress = service.Bindings.Find(binding => binding.IsExternal) ?? service.Bindings[0];
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $$$"""
            # The container app {{{service.Name}}}, as azd deploys it. It follows from the app model; {{{Source}}} writes it.
            api-version: 2024-02-02-preview
            location: "{{ .Env.AZURE_LOCATION }}"
            identity:
              type: UserAssigned
              userAssignedIdentities:
                ? "{{ .Env.AZURE_CONTAINER_REGISTRY_MANAGED_IDENTITY_ID }}"
                : {}
            properties:
              environmentId: "{{ .Env.AZURE_CONTAINER_APPS_ENVIRONMENT_ID }}"
              configuration:
                activeRevisionsMode: single
                ingress:
                  external: {{{(ingress.IsExternal ? "true" : "false")}}}
                  targetPort: {{{ingress.TargetPort}}}
                  transport: {{{(ingress.IsHttp2 ? "http2" : "http")}}}
                  allowInsecure: {{{(ingress.IsExternal ? "false" : "true")}}}

            """);
        var further = service.Bindings.Where(binding => binding != ingress).ToList();
        if (further.Count > 0)
        {
            text.Append("      additionalPortMappings:\n");
            further.ForEach(binding =>
                text.Append(CultureInfo.InvariantCulture, $"        - targetPort: {binding.TargetPort}\n          external: false\n"));
        }

        text.Append("""
                registries:
                  - server: "{{ .Env.AZURE_CONTAINER_REGISTRY_ENDPOINT }}"
                    identity: "{{ .Env.AZURE_CONTAINER_REGISTRY_MANAGED_IDENTITY_ID }}"
                secrets:

            """);
        secrets.ForEach(secret =>
            text.Append(
                CultureInfo.InvariantCulture,
                $"      - name: {SecretName(secret.Key)}\n        value: '{manifest.ForContainerApp(secret.Value)}'\n"));
        text.Append(CultureInfo.InvariantCulture, $$$"""
              template:
                terminationGracePeriodSeconds: 60
                containers:
                  - name: {{{service.Name}}}
                    image: "{{ .Image }}"
                    resources:
                      cpu: 0.5
                      memory: 1Gi
                    env:

            """);
        foreach (var (key, value) in settings)
        {
            text.Append(CultureInfo.InvariantCulture, $"          - name: {key}\n            value: '{manifest.ForContainerApp(value)}'\n");
        }

        secrets.ForEach(secret =>
            text.Append(
                CultureInfo.InvariantCulture, $"          - name: {secret.Key}\n            secretRef: {SecretName(secret.Key)}\n"));
        var probed = service.Bindings.Single(binding => binding.Name is "http").TargetPort;
        text.Append("        probes:\n          # A service listens once its database is migrated: five minutes are for that.\n");
        Probe(text, "Startup", "/health/live", probed, every: 5, failures: 60);
        Probe(text, "Liveness", "/health/live", probed, every: 10, failures: 3);
        Probe(text, "Readiness", "/health/ready", probed, every: 5, failures: 3);
        text.Append(CultureInfo.InvariantCulture, $"""
                scale:
                  minReplicas: 2
                  maxReplicas: 4
                  rules:
                    - name: cpu
                      custom:
                        type: cpu
                        metadata:
                          type: Utilization
                          value: "70"
            tags:
              azd-service-name: {service.Name}
              aspire-resource-name: {service.Name}

            """);
        return text.ToString();
    }

    // The same as azd's containerAppSecretName.
    private static string SecretName(string key) => key.ToLowerInvariant().Replace('_', '-');

    private static void Probe(StringBuilder text, string type, string path, int port, int every, int failures) =>
        text.Append(CultureInfo.InvariantCulture, $"""
                  - type: {type}
                    httpGet:
                      path: {path}
                      port: {port}
                      scheme: HTTP
                    periodSeconds: {every}
                    timeoutSeconds: 3
                    failureThreshold: {failures}

        """);
}
