using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;

namespace MicroPlatform.Tests.Contract;

/// <summary>The schemas of an OpenAPI 3.1 document, read as JSON Schema 2020-12 by an independent validator.</summary>
internal sealed class Schemas(JsonObject document)
{
    private static readonly EvaluationOptions Strict = new() { OutputFormat = OutputFormat.List, RequireFormatValidation = true };

    private readonly ConcurrentDictionary<string, JsonSchema> built = new(StringComparer.Ordinal);

    /// <summary>Every schema of the document that is not a reference, with its location.</summary>
    public IEnumerable<(string Where, JsonObject Schema)> All => Find("", document);

    /// <summary>How <paramref name="value"/> violates the schema; empty if it does not.</summary>
    public string Violations(JsonNode schema, JsonElement value) =>
        Of(built.GetOrAdd(schema.ToJsonString(), _ => Build(schema)).Evaluate(value, Strict));

    /// <summary>The errors that the meta-schema finds in the schema itself.</summary>
    public static string FaultsOf(JsonNode schema) =>
        Of(MetaSchemas.Draft202012.Evaluate(JsonSerializer.SerializeToElement(schema), Strict));

    private static string Of(EvaluationResults results) => results.IsValid
        ? ""
        : string.Join("; ", (results.Details ?? []).Where(detail => detail.Errors is not null)
            .SelectMany(detail => detail.Errors!.Select(error => $"{detail.InstanceLocation}: {error.Value}")).DefaultIfEmpty("invalid"));

    private JsonSchema Build(JsonNode schema)
    {
        var whole = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["$defs"] = document["components"]!["schemas"]!.DeepClone(),
            ["allOf"] = new JsonArray(schema.DeepClone()),
        };
        return JsonSchema.FromText(whole.ToJsonString().Replace("#/components/schemas/", "#/$defs/", StringComparison.Ordinal));
    }

    private static IEnumerable<(string Where, JsonObject Schema)> Find(string where, JsonNode? node)
    {
        var children = node switch
        {
            JsonObject part => part.Where(child => child.Key is not "example").Select(child => (child.Key, child.Value)),
            JsonArray list => list.Index().Select(child => (child.Index.ToString(CultureInfo.InvariantCulture), child.Item)),
            _ => [],
        };
        foreach (var (key, child) in children)
        {
            if (child is JsonObject schema && !schema.ContainsKey("$ref") && IsSchema(where, key))
            {
                yield return ($"{where}/{key}", schema);
            }

            foreach (var below in Find($"{where}/{key}", child))
            {
                yield return below;
            }
        }
    }

    private static bool IsSchema(string parent, string key) =>
        key is "schema" or "items" or "additionalProperties"
        || parent.EndsWith("/properties", StringComparison.Ordinal)
        || parent.EndsWith("/components/schemas", StringComparison.Ordinal)
        || parent.EndsWith("Of", StringComparison.Ordinal);
}
