using Aspire.Hosting.Publishing;

namespace MicroPlatform.AppHost.Deployment;

/// <summary>A Bicep module of this repository, which azd deploys.</summary>
/// <param name="name">The name of the resource.</param>
/// <param name="file">The full path of the module.</param>
internal sealed class BicepResource(string name, string file) : Resource(name)
{
    /// <summary>The module's parameters: texts, and expressions of the manifest such as <c>{postgres-password.value}</c>.</summary>
    public SortedDictionary<string, string> Parameters { get; } = new(StringComparer.Ordinal);

    /// <summary>An output of the module, known after the deployment.</summary>
    public BicepOutput Output(string output) => new($"{{{Name}.outputs.{output}}}");

    /// <summary>Writes the resource in the form that azd reads.</summary>
    public void WriteToManifest(ManifestPublishingContext context)
    {
        context.Writer.WriteString("type", "azure.bicep.v0");
        context.Writer.WriteString("path", context.GetManifestRelativePath(file));
        context.Writer.WriteStartObject("params");
        foreach (var (parameter, value) in Parameters)
        {
            context.Writer.WriteString(parameter, value);
        }

        context.Writer.WriteEndObject();
    }
}

/// <summary>An output of a module; its value is known only where the module is deployed.</summary>
/// <param name="ValueExpression">The expression that azd replaces by the value.</param>
internal sealed record BicepOutput(string ValueExpression) : IManifestExpressionProvider, IValueProvider
{
    /// <inheritdoc/>
    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new((string?)null);
}
