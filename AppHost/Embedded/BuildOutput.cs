using System.Text.Json;

namespace MicroPlatform.AppHost;

/// <summary>Finds the other projects from where this one was built: <c>artifacts/embedded/bin/&lt;Project&gt;/&lt;configuration&gt;</c>.</summary>
internal static class BuildOutput
{
    private static readonly DirectoryInfo Here = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
    private static readonly JsonDocumentOptions SettingsSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>The folder of the solution; the current one where there is none above us.</summary>
    public static string Root { get; } = FindRoot();

    /// <exception cref="EngineException">The project has not been built.</exception>
    public static string Assembly(Service service)
    {
        var path = Path.Combine(Here.Parent!.Parent!.FullName, service.Project, Here.Name, service.Project + ".dll");
        return File.Exists(path) ? path : throw new EngineException($"{service.Project} is not built ({path} is missing). Run: dotnet build");
    }

    /// <summary>Where the service looks for its files: its source, as under Aspire and <c>dotnet run</c>, or the output where there is no source.</summary>
    public static string ContentRoot(Service service)
    {
        var source = Path.Combine(Root, service.Project);
        return Directory.Exists(source) ? source : Path.GetDirectoryName(Assembly(service))!;
    }

    /// <summary>The endpoints in the service's settings by name.</summary>
    /// <exception cref="EngineException">They cannot be read.</exception>
    public static IReadOnlyDictionary<string, Uri> Endpoints(Service service)
    {
        var file = Path.Combine(Path.GetDirectoryName(Assembly(service))!, "appsettings.json");
        try
        {
            using var settings = JsonDocument.Parse(File.ReadAllText(file), SettingsSyntax);
            return settings.RootElement.GetProperty("Kestrel").GetProperty("Endpoints").EnumerateObject()
                .ToDictionary(endpoint => endpoint.Name, endpoint => new Uri(endpoint.Value.GetProperty("Url").GetString()!), StringComparer.Ordinal);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or UriFormatException)
        {
            throw new EngineException($"{file} is malformed: give each endpoint as Kestrel:Endpoints:NAME:Url, such as http://localhost:5101.", error);
        }
    }

    private static string FindRoot()
    {
        for (var at = Here; at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "MicroPlatform.sln")))
            {
                return at.FullName;
            }
        }

        return Directory.GetCurrentDirectory();
    }
}
