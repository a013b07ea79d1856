using System.Globalization;
using System.Text.Json.Nodes;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// Splits a document into sentences: what it gives its callers, and what it demands of them.
/// A later document breaks callers when it no longer gives something, demands something new, or demands more.
/// </summary>
internal sealed class Promises
{
    private readonly SortedSet<string> given = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> demanded = new(StringComparer.Ordinal);

    public Promises(JsonObject document)
    {
        foreach (var (path, operations) in document["paths"]!.AsObject())
        {
            foreach (var (verb, json) in operations!.AsObject())
            {
                Add(new(document, verb.ToUpperInvariant(), path, json!.AsObject()));
            }
        }
    }

    /// <summary>The changes that break callers of <paramref name="before"/>, a sentence each.</summary>
    public IReadOnlyList<string> Break(Promises before)
    {
        var lost = before.given.Except(given, StringComparer.Ordinal).ToList();
        return
        [
            // If a whole is gone, its parts are not listed.
            .. lost.Where(sentence =>
                !lost.Exists(whole =>
                    sentence.Length > whole.Length
                        && sentence.StartsWith(whole, StringComparison.Ordinal)
                        && sentence[whole.Length] is '.' or ':' or '[' or ' '))
                .Select(sentence => $"no longer: {sentence}"),
            .. demanded.Where(demand => before.given.Contains(demand.Key.Split(':')[0]))
            .Select(demand => (demand.Key, demand.Value, Was: before.demanded.GetValueOrDefault(demand.Key)))
                .Where(demand => IsStricter(demand.Key, demand.Value, demand.Was) && !IsOfNewPart(demand.Key, before))
                .Select(demand => $"newly: {demand.Key} {demand.Value}".TrimEnd() + (demand.Was is null ? "" : $" (was {demand.Was})")),
        ];
    }

    private static bool IsStricter(string demand, string value, string? was) => demand.Split(' ')[^1] switch
    {
        _ when was is null => true,
        ['m', 'a', 'x', ..] => Number(value) < Number(was),
        ['m', 'i', 'n', ..] => Number(value) > Number(was),
        _ => !string.Equals(value, was, StringComparison.Ordinal),
    };

    private static decimal Number(string text) => decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    /// <summary>A limit of a new field affects no present caller; a new required field does.</summary>
    private bool IsOfNewPart(string demand, Promises before) =>
        !demand.EndsWith("is required", StringComparison.Ordinal)
        && given.Any(part => !before.given.Contains(part) && demand.StartsWith(part, StringComparison.Ordinal));

    private void Add(Operation operation)
    {
        var name = operation.Name;
        given.Add(name);
        given.Add($"{name}: operationId {operation.Json["operationId"]}");
        if (operation.NeedsToken)
        {
            demanded[$"{name}: a token is required"] = "";
        }

        foreach (var parameter in operation.Parameters)
        {
            var where = $"{name}: {parameter["in"]} {parameter["name"]}";
            given.Add(where);
            if (parameter["required"]?.GetValue<bool>() == true)
            {
                demanded[$"{where} is required"] = "";
            }

            AddSent(operation, where, parameter["schema"]!, []);
        }

        foreach (var (type, media) in operation.Json["requestBody"]?["content"]?.AsObject() ?? [])
        {
            given.Add($"{name}: body");
            given.Add($"{name}: body {type}");
            if (operation.Json["requestBody"]!["required"]?.GetValue<bool>() == true)
            {
                demanded[$"{name}: body is required"] = "";
            }

            AddSent(operation, $"{name}: body", media!["schema"]!, []);
        }

        foreach (var (status, answer) in operation.Answers)
        {
            given.Add($"{name}: {status}");
            foreach (var (header, _) in answer["headers"]?.AsObject() ?? [])
            {
                given.Add($"{name}: {status} header {header}");
            }

            foreach (var (type, media) in answer["content"]?.AsObject() ?? [])
            {
                given.Add($"{name}: {status} {type}");
                if (media!["schema"] is { } schema)
                {
                    AddAnswered(operation, $"{name}: {status} {type}", schema, []);
                }
            }
        }
    }

    private void AddSent(Operation operation, string where, JsonNode node, HashSet<JsonObject> seen)
    {
        var schema = operation.Resolve(node);
        foreach (var type in TypesOf(schema))
        {
            given.Add($"{where} may be {type}");
            if (type is "integer (int64)")
            {
                given.Add($"{where} may be integer (int32)");
            }
        }

        if (schema["enum"] is not JsonArray values)
        {
            given.Add($"{where} may be any value");
        }
        else
        {
            given.UnionWith(values.Select(value => $"{where} may be '{value}'"));
        }

        foreach (var keyword in new[] { "maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems", "pattern" })
        {
            if (schema[keyword] is { } limit)
            {
                demanded[$"{where} {keyword}"] = limit.ToString();
            }
        }

        foreach (var required in schema["required"]?.AsArray() ?? [])
        {
            demanded[$"{where}.{required} is required"] = "";
        }

        foreach (var (property, value) in seen.Add(schema) ? schema["properties"]?.AsObject() ?? [] : [])
        {
            given.Add($"{where}.{property}");
            AddSent(operation, $"{where}.{property}", value!, seen);
        }

        if (schema["items"] is { } items)
        {
            AddSent(operation, $"{where}[]", items, seen);
        }

        foreach (var part in schema["oneOf"]?.AsArray() ?? [])
        {
            AddSent(operation, where, part!, seen);
        }
    }

    private void AddAnswered(Operation operation, string where, JsonNode node, HashSet<JsonObject> seen)
    {
        var schema = operation.Resolve(node);
        foreach (var type in TypesOf(schema))
        {
            // Readers must handle every type, so a new one breaks them.
            demanded[$"{where} may be {type}"] = "";
        }

        foreach (var required in schema["required"]?.AsArray() ?? [])
        {
            given.Add($"{where}.{required} is always there");
        }

        foreach (var (property, value) in seen.Add(schema) ? schema["properties"]?.AsObject() ?? [] : [])
        {
            given.Add($"{where}.{property}");
            AddAnswered(operation, $"{where}.{property}", value!, seen);
        }

        foreach (var part in new[] { schema["items"], schema["additionalProperties"] as JsonObject })
        {
            if (part is not null)
            {
                given.Add($"{where}[]");
                AddAnswered(operation, $"{where}[]", part, seen);
            }
        }

        foreach (var part in schema["oneOf"]?.AsArray() ?? [])
        {
            AddAnswered(operation, where, part!, seen);
        }
    }

    private static IEnumerable<string> TypesOf(JsonObject schema) =>
        (schema["type"] is JsonArray several ? several.Select(type =>
            type!.GetValue<string>()) : schema["type"] is { } one ? [one.GetValue<string>()] : [])
        .Select(type => type is not "null" && schema["format"] is { } format ? $"{type} ({format})" : type);
}
