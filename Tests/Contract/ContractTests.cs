using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// The documents in <c>openapi/</c> are the present contract, say all that callers need, and break no promise without a declaration.
/// </summary>
[Collection(ContractTestGroup.Name)]
public sealed class ContractTests(ContractFixture fixture)
{
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    /// <summary>Every kind of breaking change, made in a good document, with the expected report.</summary>
    public static TheoryData<string, string> Breaks => new()
    {
        { "paths./api/v1/carts/{customerId} -", "no longer: DELETE /api/v1/carts/{customerId}|no longer: GET /api/v1/carts/{customerId}" },
        { "paths./api/v1/products/{id}.delete -", "no longer: DELETE /api/v1/products/{id}" },
        { "paths./api/v1/products.get.parameters.2 -", "no longer: GET /api/v1/products: query search" },
        { "paths./api/v1/products.get.parameters.2.required =true", "newly: GET /api/v1/products: query search is required" },
        { "paths./api/v1/products.get.parameters.0.schema.maximum =100", "newly: GET /api/v1/products: query limit maximum 100 (was 200)" },
        { "paths./api/v1/products.get.responses.400 -", "no longer: GET /api/v1/products: 400" },
        { "paths./api/v1/products.get.operationId =\"productsFind\"", "no longer: GET /api/v1/products: operationId productsList" },
        { "paths./api/v1/products.get.security =[{\"Bearer\":[]}]", "newly: GET /api/v1/products: a token is required" },
        {
            "components.schemas.UpdateCartItemRequest.required =[\"quantity\",\"why\"]",
            "newly: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.why is required"
        },
        {
            "components.schemas.UpdateCartItemRequest.properties.quantity.maximum =4",
            "newly: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.quantity maximum 4 (was 5)"
        },
        {
            "components.schemas.UpdateCartItemRequest.properties.quantity.minimum =2",
            "newly: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.quantity minimum 2 (was 1)"
        },
        {
            "components.schemas.UpdateCartItemRequest.properties.quantity.type =\"string\"",
            "no longer: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.quantity may be integer (int32)"
        },
        {
            "components.schemas.UpdateCartItemRequest.properties.quantity.enum =[1,2]",
            "no longer: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.quantity may be any value"
        },
        {
            "components.schemas.UpdateCartItemRequest.properties.quantity -",
            "no longer: PATCH /api/v1/carts/{customerId}/items/{itemId}: body.quantity"
        },
        {
            "components.schemas.CheckoutResponse.properties.status -",
            "no longer: POST /api/v1/carts/{customerId}/checkout: 202 application/json.status"
        },
        {
            "components.schemas.CheckoutResponse.required =[\"orderId\"]",
            "no longer: POST /api/v1/carts/{customerId}/checkout: 202 application/json.status is always there"
        },
        {
            "components.schemas.CheckoutResponse.properties.orderId.type =\"string\"",
            "newly: POST /api/v1/carts/{customerId}/checkout: 202 application/json.orderId may be string (int64)"
        },
        {
            "components.schemas.CheckoutResponse.properties.orderId.type =[\"integer\",\"null\"]",
            "newly: POST /api/v1/carts/{customerId}/checkout: 202 application/json.orderId may be null"
        },
    };

    /// <summary>Changes that break no caller.</summary>
    public static TheoryData<string> Additions =>
    [
        "components.schemas.UpdateCartItemRequest.properties.quantity.maximum =6",
        "components.schemas.UpdateCartItemRequest.properties.note ={\"type\":\"string\",\"maxLength\":10}",
        "components.schemas.UpdateCartItemRequest.properties.quantity.type =[\"integer\",\"string\"]",
        "components.schemas.CheckoutResponse.properties.note ={\"type\":\"string\"}",
        "paths./api/v1/products.get.responses.418 ={\"description\":\"Tea\"}",
        "paths./api/v1/products.get.summary =\"Other words\"",
        "paths./api/v2/products ={\"get\":{\"operationId\":\"new\",\"security\":[{\"Bearer\":[]}],\"responses\":{}}}",
    ];

    [Theory]
    [MemberData(nameof(Services))]
    public void The_committed_document_matches_what_the_service_offers(string service) =>
        Repository.Hold($"{service}.json", fixture.Document(service).ToJsonString(Readable).ReplaceLineEndings("\n") + "\n");

    [Fact]
    public void Breaking_changes_since_the_last_release_match_the_declared_ones()
    {
        var found = ContractFixture.Services.SelectMany(service =>
            new Promises(fixture.Document(service)).Break(new(Released(service))).Select(sentence => $"{service}: {sentence}"))
            .ToHashSet(StringComparer.Ordinal);
        var declared = Repository.DeclaredBreakingChanges();
        Assert.True(found.IsSubsetOf(declared), $"""
            Callers of the last release would break:
            {string.Join('\n', found.Except(declared, StringComparer.Ordinal))}
            Offer the old beside the new (docs/versioning.md); or, where that cannot be, add these lines to
            openapi/breaking-changes.md, each with its reason.
            """);
        Assert.True(
            found.IsSupersetOf(declared),
            $"Declared in openapi/breaking-changes.md, but not found: {string.Join(", ", declared.Except(found, StringComparer.Ordinal))}");
    }

    [Fact]
    public void The_maximum_unit_price_is_the_same_in_Cart_Warehouse_and_Sales()
    {
        (string Service, string Schema, string Field)[] prices =
        [
            ("cart", "ProductRequest", "price"),
            ("warehouse", "CreateItemRequest", "price"),
            ("warehouse", "UpdateItemRequest", "price"),
            ("sales", "CreateOrderItem", "unitPrice"),
        ];
        Assert.All(prices, price =>
        {
            var field = fixture.Document(price.Service)["components"]!["schemas"]![price.Schema]!["properties"]![price.Field]!;
            Assert.Equal(999_999.99m, field["maximum"]!.GetValue<decimal>());
        });
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public void A_breaking_change_is_reported_and_described(string change, string sentences)
    {
        var before = fixture.Document("cart");
        Assert.Equal(sentences.Split('|'), new Promises(Changed(before, change)).Break(new(before)).Take(sentences.Split('|').Length));
    }

    [Theory]
    [MemberData(nameof(Additions))]
    public void A_compatible_change_is_not_reported(string change)
    {
        var before = fixture.Document("cart");
        Assert.Empty(new Promises(Changed(before, change)).Break(new(before)));
    }

    [Fact]
    public void A_missing_release_file_is_an_error() =>
        Assert.ThrowsAny<IOException>(() => Repository.Released("missing.json"));

    [Fact]
    public void A_difference_from_the_committed_document_is_shown_with_context()
    {
        var difference = Repository.Difference(["a", "b", "c", "d"], ["a", "b", "x", "d"]);
        Assert.Equal("  a\n  b\n- c\n+ x\n  d\n", difference);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void Every_operation_documents_all_that_its_callers_need(string service)
    {
        var missing = new List<string>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var operation in fixture.Operations(service))
        {
            Need(operation.Json["summary"] is not null, "a summary");
            Need(operation.Json["tags"]?.AsArray().Count == 1, "a tag");
            Need(operation.Json["operationId"]?.GetValue<string>() is { } id && ids.Add(id), "an operationId of its own");
            Need(operation.Json["security"] is not null, "security, even if empty");
            Need(!operation.NeedsToken || (operation.Answer(401) is not null && operation.Answer(403) is not null), "401 and 403");
            Need(operation.Answer(429) is not null && operation.Answer(503) is not null, "429 and 503");
            Need(
                operation.Body is null
                    || (operation.Answer(400) is not null && operation.Answer(413) is not null && operation.Answer(415) is not null),
                "400, 413 and 415");
            Need(!operation.Path.Contains('{', StringComparison.Ordinal) || operation.Answer(404) is not null, "404");
            Need(operation.Body is null || operation.Example is not null, "an example of the body");
            // A stored key keeps a hash of the body, which would allow guessing the password.
            Need(operation.Answer(201) is null || operation.TakesPassword || operation.Takes("Idempotency-Key"), "Idempotency-Key");
            Need(!operation.TakesPassword || !operation.Takes("Idempotency-Key"), "the absence of Idempotency-Key");
            Need(operation.Answer(201) is null || operation.Answer(201)!["headers"]?["Location"] is not null, "Location");
            foreach (var (status, answer) in operation.Answers)
            {
                Need(answer["description"] is not null, $"a description of {status}");
                Need(
                    status < 400 || answer["content"]?["application/problem+json"]?["example"]?["status"]?.GetValue<int>() == status,
                    $"an example of the problem {status}");
                Need(
                    answer["content"]?["application/json"] is not { } json || json["example"] is not null,
                    $"an example of the answer {status}");
            }

            foreach (var parameter in operation.Parameters)
            {
                Need(parameter["description"] is not null, $"a description of {parameter["name"]}");
                Need(
                    parameter["schema"]?["type"] is not null || parameter["schema"]?["$ref"] is not null, $"a type of {parameter["name"]}");
            }

            void Need(bool isThere, string what)
            {
                if (!isThere)
                {
                    missing.Add($"{operation} lacks {what}");
                }
            }
        }

        foreach (var (name, schema) in fixture.Document(service)["components"]!["schemas"]!.AsObject())
        {
            missing.AddRange(schema!["properties"]?.AsObject().Where(property =>
                property.Value!["type"] is null && property.Value["$ref"] is null && property.Value["oneOf"] is null).Select(property =>
                    $"{name}.{property.Key} lacks a type") ?? []);
            missing.AddRange(schema["properties"]?.AsObject().Where(property =>
                property.Value!["description"] is null && property.Value["oneOf"] is null).Select(property =>
                    $"{name}.{property.Key} lacks a description") ?? []);
        }

        Assert.True(missing.Count == 0, string.Join('\n', missing));
    }

    private static JsonObject Released(string service)
    {
        var document = (JsonObject)JsonNode.Parse(Repository.Released($"{service}.json"))!;
        Assert.NotEmpty(document["paths"]!.AsObject());
        return document;
    }

    /// <summary>The document with one change: <c>path -</c> removes what is there, <c>path =json</c> puts something there.</summary>
    private static JsonObject Changed(JsonObject document, string change)
    {
        var copy = (JsonObject)document.DeepClone();
        var at = change.LastIndexOf(
            ' ', change.Contains(" =", StringComparison.Ordinal) ? change.IndexOf(" =", StringComparison.Ordinal) : change.Length - 1);
        var (steps, what) = (change[..at].Split('.'), change[(at + 1)..]);
        var parent = steps[..^1].Aggregate(
            (JsonNode)copy,
            (node, step) =>
                (node is JsonArray array ? array[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : node[step])!);
        if (what is "-")
        {
            Assert.True(
                parent is JsonArray list
                    ? RemoveAt(list, int.Parse(steps[^1], System.Globalization.CultureInfo.InvariantCulture))
                    : parent.AsObject().Remove(steps[^1]),
                change);
        }
        else
        {
            parent[steps[^1]] = JsonNode.Parse(what[1..]);
        }

        return copy;

        static bool RemoveAt(JsonArray list, int index)
        {
            list.RemoveAt(index);
            return true;
        }
    }
}
