using System.Text.Json;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Postgres;
using MicroPlatform.Tests.Contract;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>A service in the app model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Databases">The databases it is given.</param>
/// <param name="References">The services whose addresses it is given.</param>
/// <param name="Secrets">The secret parameters that it is given.</param>
/// <param name="IsPublic">Whether it can be reached from outside.</param>
/// <param name="Endpoints">Its endpoints by name, from its own settings.</param>
internal sealed record AppService(
    string Name, string[] Databases, string[] References, string[] Secrets, bool IsPublic, IReadOnlyDictionary<string, Uri> Endpoints);

/// <summary>The app model, read without running it.</summary>
internal static class AppModel
{
    private static readonly JsonDocumentOptions SettingsSyntax = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };
    private static readonly Lazy<Task<IReadOnlyList<AppService>>> Loaded = new(LoadAsync);

    /// <summary>The services, read once.</summary>
    public static IReadOnlyList<AppService> Services => Loaded.Value.GetAwaiter().GetResult();

    /// <summary>Runs the AppHost until just before it builds the application, and reads its resources.</summary>
    public static async Task<T> ReadAsync<T>(string[] arguments, Func<DistributedApplicationModel, T> look)
    {
        await using var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(arguments);
        await using var services = builder.Services.BuildServiceProvider();
        using var folder = services.GetService<DataFolder>();
        return look(new(builder.Resources));
    }

    /// <summary>The resources that a resource refers to.</summary>
    public static IEnumerable<IResource> ReferencesOf(IResource resource) =>
        resource.Annotations.OfType<ResourceRelationshipAnnotation>().Where(relation => relation.Type is "Reference")
            .Select(relation => relation.Resource).Distinct();

    private static Task<IReadOnlyList<AppService>> LoadAsync() => ReadAsync<IReadOnlyList<AppService>>(["--Ephemeral=true"], model =>
        [.. model.GetProjectResources().Select(service => new AppService(
            service.Name,
            [.. ReferencesOf(service).OfType<ServiceDatabaseResource>().Select(database => database.Name)],
            [.. ReferencesOf(service).OfType<ProjectResource>().Select(other => other.Name)],
            [.. ReferencesOf(service).OfType<ParameterResource>().Where(parameter => parameter.Secret).Select(parameter => parameter.Name)],
            service.Annotations.OfType<EndpointAnnotation>().Any(endpoint => endpoint.IsExternal),
            EndpointsOf(service)))]);

    private static Dictionary<string, Uri> EndpointsOf(ProjectResource service)
    {
        var project = TestPlatform.ProjectOf(service.Name);
        using var settings =
            JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, project, "appsettings.json")), SettingsSyntax);
        return settings.RootElement.GetProperty("Kestrel").GetProperty("Endpoints").EnumerateObject()
            .ToDictionary(
                endpoint => endpoint.Name, endpoint => new Uri(endpoint.Value.GetProperty("Url").GetString()!), StringComparer.Ordinal);
    }
}
