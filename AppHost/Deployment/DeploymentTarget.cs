using Microsoft.Extensions.Configuration;

namespace MicroPlatform.AppHost;

/// <summary>Where the platform goes when it is published.</summary>
internal enum DeploymentTarget
{
    /// <summary>Nowhere: it runs on this machine.</summary>
    None,

    /// <summary>Azure Container Apps, with Azure Database for PostgreSQL.</summary>
    ContainerApps,

    /// <summary>One machine with Docker Compose.</summary>
    Compose,

    /// <summary>A Helm chart for a Kubernetes cluster, with databases that exist.</summary>
    Kubernetes,
}

internal static class DeploymentTargetExtensions
{
    /// <summary>Adds the environment that takes every resource: by the setting <c>Target</c>, <c>azure</c> (the default, and what azd publishes), <c>compose</c> or <c>kubernetes</c>.</summary>
    /// <remarks>Ends the program with a line that says why where the setting names none of them, or <c>kubernetes</c> in a build without it.</remarks>
    public static DeploymentTarget AddDeploymentTarget(this IDistributedApplicationBuilder builder)
    {
        if (builder.ExecutionContext.IsRunMode)
        {
            return DeploymentTarget.None;
        }

        switch (builder.Configuration.GetValue("Target", "azure"))
        {
            case "azure":
                builder.AddAzureContainerAppEnvironment("apps");
                return DeploymentTarget.ContainerApps;
            case "compose":
                // The dashboard is for those on the machine: a port without an address is open to its whole network.
                builder.AddDockerComposeEnvironment("compose")
                    .ConfigureComposeFile(file => file.Services["compose-dashboard"].Ports = ["127.0.0.1:18888:18888"]);
                return DeploymentTarget.Compose;
            case "kubernetes":
#if KUBERNETES
                builder.AddKubernetes();
                return DeploymentTarget.Kubernetes;
#else
                return Refuse("The setting Target is \"kubernetes\": build with -p:AspireKubernetes=true, which adds the preview package that publishes for it.");
#endif
            case var other:
                return Refuse($"The setting Target is \"{other}\": it takes azure, compose or kubernetes.");
        }
    }

    private static DeploymentTarget Refuse(string reason)
    {
        Console.Error.WriteLine(reason);
        Environment.Exit(2);
        return DeploymentTarget.None;
    }
}
