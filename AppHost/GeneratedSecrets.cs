namespace MicroPlatform.AppHost;

/// <summary>Secrets that no person has to choose.</summary>
internal static class GeneratedSecrets
{
    private const int Length = 32;

    /// <summary>
    /// Adds a secret parameter of 32 letters and digits. A run keeps it in the data folder, beside the data that needs it;
    /// a deployment generates its own. The setting <c>Parameters:name</c> replaces it.
    /// </summary>
    /// <param name="builder">The app model.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <param name="folder">The data folder; null when publishing.</param>
    public static IResourceBuilder<ParameterResource> AddGeneratedSecret(
        this IDistributedApplicationBuilder builder, string name, DataFolder? folder)
    {
        if (folder is not null)
        {
            builder.Configuration[$"Parameters:{name}"] ??= folder.Secret(name);
        }

        return builder.AddParameter(name, new GenerateParameterDefault { MinLength = Length, Special = false }, secret: true);
    }
}
