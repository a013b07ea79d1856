using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Deploy;

/// <summary>A port of a service.</summary>
/// <param name="Name">Its name: <c>http</c>, <c>grpc</c> or <c>https</c>.</param>
/// <param name="Scheme">The scheme of its address.</param>
/// <param name="TargetPort">The port number that it listens on.</param>
/// <param name="IsHttp2">Whether it speaks HTTP/2 in clear, else HTTP/1.1.</param>
/// <param name="IsExternal">Whether it can be reached from outside.</param>
internal sealed record Binding(string Name, string Scheme, int TargetPort, bool IsHttp2, bool IsExternal);

/// <summary>A service in the manifest: its ports in order, its environment with the manifest's expressions.</summary>
internal sealed record DeployedService(string Name, List<Binding> Bindings, Dictionary<string, string> Environment)
{
    /// <summary>The databases that it is given.</summary>
    public List<string> Databases => [.. Keys("ConnectionStrings__").Select(key => key["ConnectionStrings__".Length..])];

    /// <summary>The services whose addresses it is given.</summary>
    public List<string> References => [.. Keys("services__").Select(key => key.Split("__")[1]).Distinct(StringComparer.Ordinal)];

    /// <summary>
    /// The settings that it requires: ports, addresses, secrets. The others are defaults, or repeat one of these under another name.
    /// </summary>
    public IEnumerable<(string Key, string Value)> Settings => Environment
        .Where(variable =>
            variable.Key.Contains("__", StringComparison.Ordinal) && !variable.Key.StartsWith("TrustedProxies__", StringComparison.Ordinal))
        .Select(variable => (variable.Key, variable.Value));

    /// <summary>Whether it can be reached from outside.</summary>
    public bool IsPublic => Bindings.Exists(binding => binding.IsExternal);

    /// <summary>The ports that it listens on.</summary>
    public IEnumerable<int> Ports => Bindings.Select(binding => binding.TargetPort);

    private IEnumerable<string> Keys(string prefix) => Environment.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal));
}

/// <summary>The manifest that the AppHost writes, which is what azd deploys.</summary>
internal sealed partial class Manifest
{
    /// <summary>The path of the committed manifest from the root of the repository.</summary>
    public static readonly string CommittedPath = Path.Combine("AppHost", "infra", "manifest.json");

    private static readonly Lazy<Manifest> Read = new(() => new(File.ReadAllText(Path.Combine(Repository.Root, CommittedPath))));
    private readonly JsonElement _resources;

    public Manifest(string text)
    {
        using var document = JsonDocument.Parse(text);
        _resources = document.RootElement.GetProperty("resources").Clone();
        Services = [.. _resources.EnumerateObject().Where(resource => TypeOf(resource.Value) is "project.v0").Select(ServiceOf)
            .OrderBy(service => service.Name, StringComparer.Ordinal)];
    }

    /// <summary>The committed manifest; a test compares it with what the AppHost writes.</summary>
    public static Manifest Committed => Read.Value;

    /// <summary>The services, by name.</summary>
    public IReadOnlyList<DeployedService> Services { get; }

    /// <summary>A service by its name.</summary>
    public DeployedService Find(string name) => Services.Single(service => string.Equals(service.Name, name, StringComparison.Ordinal));

    /// <summary>The databases.</summary>
    public IEnumerable<string> Databases =>
        Services.SelectMany(service => service.Databases).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    /// <summary>The resources of a type, such as <c>parameter.v0</c>.</summary>
    public IEnumerable<(string Name, JsonElement Resource)> OfType(string type) =>
        _resources.EnumerateObject().Where(resource => string.Equals(TypeOf(resource.Value), type, StringComparison.Ordinal))
            .Select(resource => (resource.Name, resource.Value));

    /// <summary>Runs the AppHost as azd does.</summary>
    /// <returns>Its exit code, what it wrote to standard error, and the manifest.</returns>
    public static async Task<(int ExitCode, string Error, string Manifest)> PublishAsync(params string[] arguments)
    {
        // The folder is as deep below the root as the committed file's, so that relative paths are the same.
        var folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", $"manifest-{Guid.NewGuid():N}"));
        try
        {
            var file = Path.Combine(folder.FullName, "manifest.json");
            var program = Path.Combine(Programs.FolderOf("AppHost"), "AppHost.dll");
            var start = new ProcessStartInfo("dotnet", [program, .. arguments.Select(argument => argument is "FILE" ? file : argument)]);
            start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
            var (exitCode, _, error) = await Programs.RunAsync(start);
            var manifest = File.Exists(file) ? await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken) + "\n" : "";
            return (exitCode, error, manifest.ReplaceLineEndings("\n"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>An expression as azd writes it into a container app's template (azd's <c>apphost/generate.go</c>).</summary>
    public string ForContainerApp(string expression) => Placeholder().Replace(expression, placeholder =>
    {
        var (resource, property) = (placeholder.Groups["resource"].Value, placeholder.Groups["property"].Value);
        return property.Split('.') switch
        {
            ["connectionString"] => ForContainerApp(_resources.GetProperty(resource).GetProperty("connectionString").GetString()!),
            ["value"] => $$$"""{{ securedParameter "{{{resource.Replace('-', '_')}}}" }}""",
            ["outputs", var output] => $$$"""{{ .Env.{{{resource.ToUpperInvariant()}}}_{{{output.ToUpperInvariant()}}} }}""",
            ["bindings", var name, "targetPort"] => $"{BindingOf(resource, name).TargetPort}",
            // The first port of an inner app is its ingress, with a name in the environment's domain; the others are plain TCP.
            ["bindings", var name, "url"] when string.Equals(Find(resource).Bindings[0].Name, name, StringComparison.Ordinal) =>
                $$$"""http://{{{resource}}}.internal.{{ .Env.AZURE_CONTAINER_APPS_ENVIRONMENT_DEFAULT_DOMAIN }}""",
            ["bindings", var name, "url"] => $"http://{resource}:{BindingOf(resource, name).TargetPort}",
            _ => throw new InvalidOperationException($"azd is not known to understand {placeholder.Value}."),
        };
    });

    /// <summary>
    /// An expression for targets where services have their own names and ports (Compose, Kubernetes); secrets stay as they are.
    /// </summary>
    public string ForNetwork(string expression) => Placeholder().Replace(expression, placeholder =>
    {
        var resource = placeholder.Groups["resource"].Value;
        return placeholder.Groups["property"].Value.Split('.') switch
        {
            ["bindings", var name, "targetPort"] => $"{BindingOf(resource, name).TargetPort}",
            ["bindings", var name, "url"] => $"http://{resource}:{BindingOf(resource, name).TargetPort}",
            _ => placeholder.Value,
        };
    });

    /// <summary>Whether azd makes a secret of an environment variable.</summary>
    public static bool IsSecret(string value) =>
        value.Contains(".connectionString}", StringComparison.Ordinal) || value.Contains(".value}", StringComparison.Ordinal);

    private static string? TypeOf(JsonElement resource) => resource.GetProperty("type").GetString();

    private static DeployedService ServiceOf(JsonProperty resource) => new(
        resource.Name,
        [.. resource.Value.GetProperty("bindings").EnumerateObject().Select(binding => new Binding(
            binding.Name,
            binding.Value.GetProperty("scheme").GetString()!,
            binding.Value.GetProperty("targetPort").GetInt32(),
            binding.Value.GetProperty("transport").GetString() is "http2",
            binding.Value.TryGetProperty("external", out var external) && external.GetBoolean()))],
        resource.Value.GetProperty("env").EnumerateObject()
            .ToDictionary(variable => variable.Name, variable => variable.Value.GetString()!, StringComparer.Ordinal));

    private Binding BindingOf(string service, string name) =>
        Find(service).Bindings.Single(binding => string.Equals(binding.Name, name, StringComparison.Ordinal));

    [GeneratedRegex(@"\{(?<resource>[a-z0-9-]+)\.(?<property>[A-Za-z0-9.]+)\}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Placeholder();
}
