namespace MicroPlatform.AppHost;

/// <summary>How the embedded engine runs the platform.</summary>
public sealed record EmbeddedPlatformOptions
{
    /// <summary>Holds the database, its passwords and the certificate between runs; null for <c>.data</c> beside the solution.</summary>
    public string? DataFolder { get; init; }

    /// <summary>Runs in a temporary folder that goes with the run, on ports that happen to be free.</summary>
    public bool Ephemeral { get; init; }

    /// <summary>Deletes what earlier runs left in the data folder before starting.</summary>
    public bool Reset { get; init; }

    /// <summary>How many processes of each service, from 1 to 20.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>The Gateway's port for HTTP, 1 to 65535; null for the one in its settings, or any free one when ephemeral.</summary>
    public int? HttpPort { get; init; }

    /// <summary>The Gateway's port for HTTPS, 1 to 65535; null for the one in its settings, or any free one when ephemeral.</summary>
    public int? HttpsPort { get; init; }

    /// <summary>Where to write addresses, process ids and connection strings as JSON once the platform is ready; null for <c>state.json</c> in the data folder.</summary>
    public string? StateFile { get; init; }

    /// <summary>Further environment variables for every service, over those of this process.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Takes each line the engine (source <c>platform</c>), the server and the services write; null to drop them.</summary>
    public Action<string, string>? Log { get; init; }

    /// <summary>What to run: all of it, but where a test needs only a part.</summary>
    internal IReadOnlyList<Service> Services { get; init; } = PlatformModel.Services;
}
