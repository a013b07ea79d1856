using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;

namespace MicroPlatform.AppHost;

/// <summary>Where PostgreSQL comes from.</summary>
internal enum PostgresSource
{
    /// <summary>
    /// <see cref="External"/> where its connection string is set, else <see cref="Container"/> where an engine answers,
    /// else <see cref="Local"/>.
    /// </summary>
    Auto,

    /// <summary>
    /// A server that runs already: <c>ConnectionStrings:postgres</c> names it, with a login that may create databases and roles.
    /// </summary>
    External,

    /// <summary>Aspire's PostgreSQL container.</summary>
    Container,

    /// <summary>The PostgreSQL programs of this machine.</summary>
    Local,
}

/// <summary>
/// The settings of the AppHost: configuration keys, so <c>--Replicas=2</c> on the command line, <c>Replicas=2</c> in the environment.
/// </summary>
internal sealed class PlatformSettings
{
    // Aspire's own switches, and .NET's for every host.
    private static readonly string[] FrameworkSettings =
    [
        "operation", "publisher", "step", "list-steps", "output-path", "log-level", "include-exception-details", "clear-cache", "yes",
        "dcp-cli-path", "dcp-container-runtime", "dcp-dependency-check-timeout", "dcp-dashboard-path",
        "environment", "contentRoot", "applicationName", "urls",
    ];

    /// <summary>Where PostgreSQL comes from; <see cref="PostgresSource.Auto"/> by default.</summary>
    public PostgresSource Postgres { get; init; }

    /// <summary>Uses a temporary folder and free ports, and keeps nothing.</summary>
    public bool Ephemeral { get; init; }

    /// <summary>Deletes the data of earlier runs first.</summary>
    public bool Reset { get; init; }

    /// <summary>How many processes of each service run, 1 to 20.</summary>
    [Range(1, 20)]
    public int Replicas { get; init; } = 1;

    /// <summary>Whether empty databases are filled with demo data.</summary>
    public bool SeedDemoData { get; init; } = true;

    /// <summary>The Gateway's port for HTTP, 1 to 65535; by default 8080, or a free one when <see cref="Ephemeral"/>.</summary>
    [Range(1, 65_535)]
    public int? HttpPort { get; init; }

    /// <summary>The Gateway's port for HTTPS, 1 to 65535; by default 8443, or a free one when <see cref="Ephemeral"/>.</summary>
    [Range(1, 65_535)]
    public int? HttpsPort { get; init; }

    /// <summary>The folder that keeps the data between runs; <c>.data</c> beside the solution by default.</summary>
    public string? DataFolder { get; init; }

    /// <exception cref="StartupException">A setting is unknown, or its value cannot be used.</exception>
    public static PlatformSettings From(IDistributedApplicationBuilder builder, string[] args)
    {
        var known = typeof(PlatformSettings).GetProperties().ToDictionary(setting => setting.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var (index, argument) in args.Index().Where(argument => argument.Item.StartsWith("--", StringComparison.Ordinal)))
        {
            var key = argument[2..].Split('=')[0];
            if (!known.ContainsKey(key) && !IsFrameworkSetting(key))
            {
                var settings = string.Join(", ", known.Keys.Select(name => $"--{name}=…"));
                throw new StartupException($"There is no setting {argument}. The settings are {settings}.");
            }

            var hasValue = argument.Contains('=', StringComparison.Ordinal)
                || (args.ElementAtOrDefault(index + 1) is { } next && !next.StartsWith("--", StringComparison.Ordinal));
            if (known.ContainsKey(key) && !hasValue)
            {
                throw new StartupException($"The setting --{key} has no value. Write --{key}=value, such as --Ephemeral=true.");
            }
        }

        try
        {
            var bound = builder.Configuration.Get<PlatformSettings>() ?? new();
            Validator.ValidateObject(bound, new ValidationContext(bound), validateAllProperties: true);
            return bound;
        }
        catch (Exception wrong) when (wrong is ValidationException or InvalidOperationException)
        {
            throw new StartupException($"A setting cannot be used: {wrong.Message}", wrong);
        }
    }

    private static bool IsFrameworkSetting(string key) =>
        FrameworkSettings.Contains(key, StringComparer.OrdinalIgnoreCase) || key.AsSpan().ContainsAny(':', '_');
}
