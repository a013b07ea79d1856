using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;

namespace MicroPlatform.ServiceDefaults;

/// <content>Describes operations.</content>
public static partial class OpenApi
{
    /// <summary>
    /// Completes an operation from the endpoint's metadata: its id, its callers, its headers and its problem responses.
    /// </summary>
    private sealed class Operation(
        OpenApiOperation operation, OpenApiOperationTransformerContext context, Dictionary<Type, object> examples)
    {
        private readonly IList<object> metadata = context.Description.ActionDescriptor.EndpointMetadata;

        private readonly bool requiresToken = context.Description.ActionDescriptor.EndpointMetadata.OfType<IAuthorizeData>().Any()
            && !context.Description.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any();

        public void Describe()
        {
            var handler = metadata.OfType<MethodInfo>().LastOrDefault();
            operation.OperationId ??= handler is null or { Name: ['<', ..] } ? null : IdOf(handler);
            operation.Deprecated = metadata.OfType<Deprecation>().Any();
            DescribeCallers(handler);
            DescribeParameters();
            DescribeBody();
            DescribeAnswers();
        }

        /// <summary>
        /// <c>CartsApi.AddItemAsync</c> becomes <c>cartsAddItem</c>. A handler of several verbs gets the verb as a suffix.
        /// </summary>
        private string IdOf(MethodInfo handler)
        {
            var group = handler.DeclaringType!.Name.Replace("Api", "", StringComparison.Ordinal);
            var id = JsonNamingPolicy.CamelCase.ConvertName(group) + handler.Name.Replace("Async", "", StringComparison.Ordinal);
            var verbs = metadata.OfType<IHttpMethodMetadata>().Last().HttpMethods.Count(verb => verb is not "HEAD");
            return verbs == 1
                ? id
                : id + CultureInfo.InvariantCulture.TextInfo.ToTitleCase(context.Description.HttpMethod!.ToLowerInvariant());
        }

        private void DescribeCallers(MethodInfo? handler)
        {
            OpenApiSecurityRequirement bearer = new() { [new OpenApiSecuritySchemeReference(Scheme, context.Document)] = [] };
            if (requiresToken)
            {
                operation.Security = [bearer];
            }
            else
            {
                // An explicit empty requirement says that no token is needed; some operations return more to an authenticated caller.
                var asksWho = handler?.GetParameters()
                    .Any(parameter => parameter.ParameterType == typeof(System.Security.Claims.ClaimsPrincipal)) == true;
                operation.Security = asksWho ? [new(), bearer] : [new()];
            }
        }

        private void DescribeParameters()
        {
            operation.Parameters ??= [];
            if (metadata.OfType<IdempotentAttribute>().Any())
            {
                AddHeader(Idempotency.HeaderName, Idempotency.MaxKeyLength);
            }

            if (context.Description.HttpMethod is "GET"
                && AnswerType(StatusCodes.Status200OK) is { } type
                && type.IsAssignableTo(typeof(IVersioned)))
            {
                AddHeader("If-Match", maxLength: null);
                AddHeader("If-None-Match", maxLength: null);
            }

            foreach (var parameter in operation.Parameters.OfType<OpenApiParameter>())
            {
                parameter.Description ??= SharedParameters.GetValueOrDefault(parameter.Name!);
                if (parameter.In == ParameterLocation.Path)
                {
                    parameter.Example = (parameter.Name, parameter.Schema?.Format) switch
                    {
                        ("customerId", _) => "me",
                        (_, "uuid") => "01900000-0000-7000-8000-000000000003",
                        _ => 1,
                    };
                }
            }
        }

        private void AddHeader(string name, int? maxLength) => operation.Parameters!.Add(new OpenApiParameter
        {
            Name = name,
            In = ParameterLocation.Header,
            Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = maxLength },
        });

        private void DescribeBody()
        {
            // The generator puts the XML comment of a header in a parameter object here; the schema describes the body.
            if (operation.RequestBody is OpenApiRequestBody request)
            {
                request.Description = null;
            }

            if (operation.RequestBody?.Content?.TryGetValue("application/json", out var json) == true
                && context.Description.ParameterDescriptions.FirstOrDefault(parameter => parameter.Source.Id is "Body") is { } body)
            {
                json.Example = ExampleOf(body.Type, leaveOutNull: true);
            }
        }

        private void DescribeAnswers()
        {
            var answers = operation.Responses ??= [];
            foreach (var status in ImpliedProblems())
            {
                answers.TryAdd(status.ToString(CultureInfo.InvariantCulture), new OpenApiResponse());
            }

            if (context.Description.HttpMethod is "GET" && operation.Parameters!.Any(parameter => parameter.Name is "If-None-Match"))
            {
                answers["304"] = new OpenApiResponse
                {
                    Description = "The known version is current.",
                    Headers = Header("ETag", "The version."),
                };
            }

            var sorted = answers.OrderBy(answer => answer.Key, StringComparer.Ordinal).ToList();
            answers.Clear();
            foreach (var (status, answer) in sorted)
            {
                var code = int.Parse(status, CultureInfo.InvariantCulture);
                answers[status] = code < 400 ? answer : new OpenApiResponseReference(ProblemIdOf(code), context.Document);
                if (answer is OpenApiResponse success && code is >= 200 and < 300)
                {
                    Complete(success, code);
                }
            }
        }

        /// <summary>The problem responses that follow from the metadata; an endpoint declares only others.</summary>
        private IEnumerable<int> ImpliedProblems()
        {
            yield return StatusCodes.Status400BadRequest;
            yield return StatusCodes.Status429TooManyRequests;
            yield return StatusCodes.Status503ServiceUnavailable;
            if (requiresToken)
            {
                yield return StatusCodes.Status401Unauthorized;
                yield return StatusCodes.Status403Forbidden;
            }

            if (operation.RequestBody is not null)
            {
                yield return StatusCodes.Status413PayloadTooLarge;
                yield return StatusCodes.Status415UnsupportedMediaType;
            }

            foreach (var parameter in operation.Parameters!)
            {
                switch (parameter)
                {
                    case { In: ParameterLocation.Path }:
                        yield return StatusCodes.Status404NotFound;
                        break;
                    case { Name: "If-Match" }:
                        yield return StatusCodes.Status412PreconditionFailed;
                        if (context.Description.HttpMethod is not "GET")
                        {
                            yield return StatusCodes.Status409Conflict;
                        }

                        break;
                    case { Name: Idempotency.HeaderName }:
                        yield return StatusCodes.Status422UnprocessableEntity;
                        break;
                }
            }
        }

        private void Complete(OpenApiResponse answer, int status)
        {
            var type = AnswerType(status);
            if (type is not null && answer.Content?.TryGetValue("application/json", out var json) == true)
            {
                json.Example = ExampleOf(type, leaveOutNull: false);
            }

            // 202 without a body has nothing to read at a Location.
            if (status is StatusCodes.Status201Created || (status is StatusCodes.Status202Accepted && type is not null))
            {
                answer.Headers = Header("Location", "The address of the new resource.");
            }

            if (type?.IsAssignableTo(typeof(IVersioned)) == true)
            {
                (answer.Headers ??= new Dictionary<string, IOpenApiHeader>(
                    StringComparer.Ordinal))["ETag"] = Header("ETag", "The version, for If-Match.")["ETag"];
            }
        }

        private Type? AnswerType(int status) =>
            context.Description.SupportedResponseTypes.FirstOrDefault(answer => answer.StatusCode == status)?.Type is { } type
                && type != typeof(void)
                ? type
                : null;

        private JsonNode? ExampleOf(Type type, bool leaveOutNull)
        {
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Page<>))
            {
                return new JsonObject
                {
                    ["items"] = new JsonArray(ExampleOf(type.GetGenericArguments()[0], leaveOutNull)),
                    ["nextCursor"] = null,
                };
            }

            var json = context.ApplicationServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
            return examples.TryGetValue(type, out var example)
                ? JsonSerializer.SerializeToNode(
                    example, type, leaveOutNull ? new(json) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull } : json)
                : null;
        }
    }
}
