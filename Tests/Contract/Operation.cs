using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace MicroPlatform.Tests.Contract;

/// <summary>One operation as an OpenAPI document describes it.</summary>
internal sealed partial record Operation(JsonObject Document, string Method, string Path, JsonObject Json)
{
    public IEnumerable<JsonObject> Parameters => Json["parameters"]?.AsArray().Select(parameter => Resolve(parameter!)) ?? [];

    /// <summary>The media type of the body, with its schema and example; null for none.</summary>
    public JsonObject? Body => Json["requestBody"]?["content"]?["application/json"]?.AsObject();

    public JsonObject? BodySchema => Body?["schema"] is { } schema ? Resolve(schema["oneOf"]?.AsArray()[^1] ?? schema) : null;

    public JsonObject? Example => Body?["example"]?.AsObject();

    public IEnumerable<(int Status, JsonObject Answer)> Answers =>
        Json["responses"]!.AsObject()
            .Select(answer => (int.Parse(answer.Key, System.Globalization.CultureInfo.InvariantCulture), Resolve(answer.Value!)));

    public bool NeedsToken => Json["security"]!.AsArray().All(way => way!.AsObject().Count > 0);

    /// <summary>Whether its answer is one page of a list.</summary>
    public bool IsList => Method is "GET" && Answer(200)?["content"]?["application/json"]?["example"]?["nextCursor"] is null
        && Answer(200)?["content"]?["application/json"]?["example"]?.AsObject().ContainsKey("nextCursor") == true;

    /// <summary>Whether it shows one resource that has versions.</summary>
    public bool IsVersioned => Method is "GET" && Answer(200)?["headers"]?["ETag"] is not null;

    /// <summary>Whether its answer is an endless stream.</summary>
    public bool IsStream => Answer(200)?["content"]?["text/event-stream"] is not null;

    /// <summary>Whether its body holds a password.</summary>
    public bool TakesPassword => BodySchema?["properties"]?.AsObject()
        .Any(property => property.Key.Contains("password", StringComparison.OrdinalIgnoreCase)) == true;

    public string Name => $"{Method} {Path}";

    public JsonObject? Answer(int status) =>
        Answers.Where(answer => answer.Status == status).Select(answer => answer.Answer).FirstOrDefault();

    public bool Takes(string header) =>
        Parameters.Any(parameter => string.Equals(parameter["name"]!.GetValue<string>(), header, StringComparison.Ordinal));

    /// <summary>The path with a value in place of each parameter, by default the document's example.</summary>
    public string Address(Func<JsonObject, string>? valueOf = null) =>
        Parameters.Where(parameter => parameter["in"]!.GetValue<string>() is "path").Aggregate(
        Path, (path, parameter) =>
            path.Replace(
                $"{{{parameter["name"]}}}", valueOf?.Invoke(parameter) ?? parameter["example"]!.ToString(), StringComparison.Ordinal));

    /// <summary>Whether an address matches this path.</summary>
    public bool IsAt(string address) =>
        Regex.IsMatch(address, $"^{Parameter().Replace(Path, "[^/]+")}$", RegexOptions.None, TimeSpan.FromSeconds(1));

    /// <summary>The object that a reference points to; without a reference the node itself.</summary>
    public JsonObject Resolve(JsonNode node) => node["$ref"]?.GetValue<string>() is { } reference
        ? Resolve(reference.Split('/').Skip(1).Aggregate((JsonNode)Document, (at, part) => at[part]!))
        : node.AsObject();

    public override string ToString() => Name;

    [GeneratedRegex(@"\{[^}]+\}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parameter();
}
