using YamlDotNet.RepresentationModel;

namespace MicroPlatform.Tests.Deploy;

/// <summary>Reads YAML without knowing its types.</summary>
internal static class Yaml
{
    /// <summary>The documents of a file.</summary>
    public static List<YamlNode> Documents(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text.ReplaceLineEndings("\n")));
        return [.. stream.Documents.Select(document => document.RootNode)];
    }

    /// <summary>The node at the end of a path of keys; null where there is none.</summary>
    public static YamlNode? At(YamlNode? node, params string[] path) => path.Aggregate(node, (at, key) =>
        at is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(key), out var child) ? child : null);

    /// <summary>The text at the end of a path; empty where there is none.</summary>
    public static string Text(YamlNode? node, params string[] path) => (At(node, path) as YamlScalarNode)?.Value ?? "";

    /// <summary>The items of a list; none where there is no list.</summary>
    public static IEnumerable<YamlNode> Items(YamlNode? node, string key) => At(node, key) is YamlSequenceNode list ? list.Children : [];

    /// <summary>The keys and values of a mapping; none where there is no mapping.</summary>
    public static IEnumerable<(string Key, YamlNode Value)> Entries(YamlNode? node, params string[] path) =>
        At(node, path) is YamlMappingNode map ? map.Children.Select(child => (((YamlScalarNode)child.Key).Value!, child.Value)) : [];
}
