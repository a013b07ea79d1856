using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.OpenApi;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The OpenAPI document of a service.</summary>
public static partial class OpenApi
{
    private const string Scheme = "Bearer";
    private const string ProblemSchema = "ProblemDetails";
    private const string ProblemJson = "application/problem+json";

    private static readonly Dictionary<string, string> SharedParameters = new(StringComparer.Ordinal)
    {
        ["id"] = "The id.",
        ["itemId"] = "The id of the item.",
        ["If-Match"] = "The ETags of the accepted versions. The answer is 412 when the current version is another.",
        ["If-None-Match"] = "The ETag of a known version. The answer is 304 without a body while that version is current.",
        [Idempotency.HeaderName] =
            $"A key of your choice, up to {Idempotency.MaxKeyLength} characters. Within 24 hours, the same request with the same key is "
                + "executed once and gets the same response.",
    };

    /// <summary>OpenAPI 3.1, paths as seen through the Gateway.</summary>
    /// <param name="examples">One value of each type that is a body of a request or an answer.</param>
    public static Action<OpenApiOptions> With(params IEnumerable<object> examples)
    {
        var byType = examples.ToDictionary(example => example.GetType());
        return options =>
        {
            options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
            var isOfDocument = options.ShouldInclude;
            // HEAD exists wherever GET does, so it is not listed.
            options.ShouldInclude = description => isOfDocument(description) && description.HttpMethod is not "HEAD";
            options.AddSchemaTransformer((schema, context, _) => Run(() => Describe(schema, context)));
            options.AddOperationTransformer((operation, context, _) => Run(() => new Operation(operation, context, byType).Describe()));
            options.AddDocumentTransformer((document, context, _) => Run(() => Describe(document, context.DocumentName)));
        };

        static Task Run(Action describe)
        {
            describe();
            return Task.CompletedTask;
        }
    }

    private static void Describe(OpenApiDocument document, string name)
    {
        document.Info = new()
        {
            Title = $"MicroPlatform: {char.ToUpperInvariant(name[0])}{name[1..]}",
            Version = "v1",
            Description = "Part of MicroPlatform. Errors are problem details (RFC 9457). "
                + "Within a version, paths, optional parameters and fields are only added; "
                + "what would break a caller gets a version of its own, and the old one stays for at least six months.",
        };
        // A relative URL is valid behind any address.
        document.Servers = [new() { Url = "/" }];
        document.Components ??= new();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
        {
            [Scheme] =
                new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "bearer",
                    BearerFormat = "JWT",
                    Description = "The accessToken that a login gives.",
                },
        };

        var operations = document.Paths.Values.SelectMany(path => path.Operations?.Values ?? Enumerable.Empty<OpenApiOperation>()).ToList();
        var schemas = document.Components.Schemas ?? new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal);
        // Nullability belongs to the reference: if both allowed null, null would match twice in oneOf.
        foreach (var schema in schemas.Values.OfType<OpenApiSchema>())
        {
            schema.Type &= ~JsonSchemaType.Null;
        }

        var sent = new HashSet<string>(StringComparer.Ordinal);
        foreach (var body in operations.SelectMany(operation =>
            operation.RequestBody?.Content?.Values ?? Enumerable.Empty<OpenApiMediaType>()))
        {
            Follow(body.Schema);
        }

        // Requests allow no other fields. Answers do, because fields may be added to them later.
        foreach (var schema in schemas.Where(schema => !sent.Contains(schema.Key)).Select(schema => schema.Value))
        {
            if (schema is OpenApiSchema { Properties: { Count: > 0 } properties } answer)
            {
                answer.AdditionalPropertiesAllowed = true;
                answer.Required = properties.Keys.ToHashSet(StringComparer.Ordinal);
            }
        }

        schemas[ProblemSchema] = Problem();
        document.Components.Schemas = schemas;
        var used = operations.SelectMany(operation => operation.Responses?.Values ?? Enumerable.Empty<IOpenApiResponse>())
            .OfType<OpenApiResponseReference>().Select(reference => reference.Reference.Id!).ToHashSet(StringComparer.Ordinal);
        document.Components.Responses = used.Order(StringComparer.Ordinal)
            .ToDictionary(id => id, IOpenApiResponse (id) => Problem(id, document), StringComparer.Ordinal);

        void Follow(IOpenApiSchema? schema)
        {
            if (schema is OpenApiSchemaReference { Reference.Id: { } id } && (!sent.Add(id) || !schemas.TryGetValue(id, out schema)))
            {
                return;
            }

            foreach (var part in schema is null ? [] : (
                schema.Properties?.Values ?? []).Append(schema.Items).Concat(schema.OneOf ?? []).Concat(schema.AnyOf ?? []))
            {
                Follow(part);
            }
        }
    }

    /// <summary>
    /// Adds types that custom converters hide from the generator, and the constraints of validation attributes.
    /// </summary>
    private static void Describe(OpenApiSchema schema, OpenApiSchemaTransformerContext context)
    {
        var declared = context.JsonTypeInfo.Type;
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        var attributes = context.JsonPropertyInfo?.AttributeProvider;
        var isNullable = (declared != type || context.JsonPropertyInfo is { IsGetNullable: true })
            && context.JsonPropertyInfo is not null
            && !Is<RequiredAttribute>();
        DescribeType(schema, type);
        if (context.JsonTypeInfo is { Kind: JsonTypeInfoKind.Enumerable, ElementType: { } element } && schema.Items is null)
        {
            var items = new OpenApiSchema();
            DescribeType(items, element);
            schema.Items = items;
        }

        if (schema.Type is { } json)
        {
            schema.Type = isNullable ? json | JsonSchemaType.Null : json & ~JsonSchemaType.Null;
        }

        if (Is<RequiredAttribute>() && type == typeof(string))
        {
            schema.MinLength = Math.Max(1, schema.MinLength ?? 1);
        }
        else if (schema.MinLength == 0)
        {
            schema.MinLength = null;
        }

        if (Is<EmailAttribute>())
        {
            (schema.Format, schema.MaxLength) = ("email", EmailAttribute.MaxLength);
        }

        if (Is<Accounts.NewPasswordAttribute>())
        {
            (schema.Format, schema.MinLength) = ("password", Accounts.Passwords.MinLength);
        }

        if (attributes?.GetCustomAttributes(typeof(AllowedValuesAttribute), inherit: true) is [AllowedValuesAttribute allowed])
        {
            schema.Enum = [.. allowed.Values.OfType<string>().Select(value => JsonValue.Create(value))];
        }

        // The format already states the limit, and a double would round it.
        if (attributes?.GetCustomAttributes(typeof(RangeAttribute), inherit: true) is [RangeAttribute range]
            && Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture) >= long.MaxValue)
        {
            schema.Maximum = null;
        }

        bool Is<TAttribute>() => attributes?.IsDefined(typeof(TAttribute), inherit: true) == true;
    }

    private static void DescribeType(OpenApiSchema schema, Type type)
    {
        if (type == typeof(string) || type == typeof(DateTimeOffset) || type.IsEnum)
        {
            schema.Type = JsonSchemaType.String;
        }
        else if (type == typeof(decimal))
        {
            (schema.Type, schema.Format) = (JsonSchemaType.Number, "decimal");
        }
    }

    private static OpenApiSchema Problem()
    {
        return new()
        {
            Title = "Problem",
            Description = "What went wrong (RFC 9457).",
            Type = JsonSchemaType.Object,
            Required = new HashSet<string>(["title", "status", "detail"], StringComparer.Ordinal),
            Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal)
            {
                ["type"] = Text("The address of a page about this kind of error."),
                ["title"] = Text("The status in words."),
                ["status"] = new OpenApiSchema
                {
                    Type = JsonSchemaType.Integer,
                    Format = "int32",
                    Description = "The status of the answer.",
                },
                ["detail"] = Text("What is wrong with this request, and what to do."),
                ["errors"] = new OpenApiSchema
                {
                    Type = JsonSchemaType.Object,
                    Description = "The errors by field, header or parameter. Absent when the error concerns none of them.",
                    AdditionalProperties = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Array,
                        Items = new OpenApiSchema { Type = JsonSchemaType.String },
                    },
                },
                ["traceId"] = Text("The trace id of the request."),
                ["requestId"] = Text("The X-Request-Id of the request."),
            },
        };

        static OpenApiSchema Text(string description) => new() { Type = JsonSchemaType.String, Description = description };
    }

    private static string ProblemIdOf(int status) => ReasonPhrases.GetReasonPhrase(status).Replace(" ", "", StringComparison.Ordinal);

    private static OpenApiResponse Problem(string id, OpenApiDocument document)
    {
        var status = Enumerable.Range(400, 200).First(status => string.Equals(ProblemIdOf(status), id, StringComparison.Ordinal));
        var example = new JsonObject
        {
            ["title"] = ReasonPhrases.GetReasonPhrase(status),
            ["status"] = status,
            ["detail"] = Problems.Describe(status),
        };
        if (status == StatusCodes.Status400BadRequest)
        {
            example["errors"] = new JsonObject { ["limit"] = new JsonArray("The field limit must be between 1 and 200.") };
        }

        example["traceId"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        example["requestId"] = "0197f0c3a1b27c4e9d5f6a7b8c9d0e1f";
        return new OpenApiResponse
        {
            Description = Problems.Describe(status),
            Headers = status switch
            {
                StatusCodes.Status401Unauthorized =>
                    Header("WWW-Authenticate", "`Bearer`, with the error of the token if one was sent."),
                StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable =>
                    Header("Retry-After", "Seconds to wait before the next attempt."),
                _ => null,
            },
            Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
            {
                [ProblemJson] = new() { Schema = new OpenApiSchemaReference(ProblemSchema, document), Example = example },
            },
        };
    }

    private static Dictionary<string, IOpenApiHeader> Header(string name, string description) => new(StringComparer.Ordinal)
    {
        [name] = new OpenApiHeader { Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } },
    };
}
