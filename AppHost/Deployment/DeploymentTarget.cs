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
}

internal static class DeploymentTargetExtensions
{
    /// <summary>Adds the environment that takes every resource: by the setting <c>Target</c>, <c>azure</c> (the default, and what azd publishes) or <c>compose</c>.</summary>
    /// <exception cref="InvalidOperationException">The setting names neither.</exception>
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
            case var other:
                throw new InvalidOperationException($"The setting Target is \"{other}\": it takes azure or compose.");
        }
    }
}
