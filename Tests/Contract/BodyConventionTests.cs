using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Contract.Problems;

namespace MicroPlatform.Tests.Contract;

/// <summary>Rules for every body that a service accepts.</summary>
[Collection(ContractTestGroup.Name)]
public sealed class BodyConventionTests(ContractFixture fixture)
{
    private static readonly string[] InvalidAmounts =
    [
        "1e400", "99999999999999999999999999999999", "-99999999999999999999999999999999", "1.00000000000000000001",
        "0.01000000000000000000000000000000000001", "1e-400", "1e24", "-1e24", "\"1\"",
    ];

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_body_with_an_unsupported_type_or_encoding_is_refused_with_the_accepted_one(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.Body is not null))
        {
            foreach (var type in new[] { "text/plain", "application/xml", "application/x-www-form-urlencoded" })
            {
                using var request = new HttpRequestMessage(new(operation.Method), operation.Address())
                {
                    Content = new StringContent("{}", System.Text.Encoding.UTF8, type),
                };
                request.Headers.Authorization = new("Bearer", fixture.Token(service));
                using var response = await fixture.Http.SendAsync(request, TestContext.Current.CancellationToken);
                var problem = await ProblemAsync(response, HttpStatusCode.UnsupportedMediaType);
                Assert.Contains("application/json", problem["detail"]!.GetValue<string>(), StringComparison.Ordinal);
            }

            foreach (var coding in new[] { "gzip", "br", "deflate", "gzip, gzip" })
            {
                using var response = await fixture.Http.SendAsync(
                    operation.Method, operation.Address(), "{}", fixture.Token(service), ("Content-Encoding", coding));
                await ProblemAsync(response, HttpStatusCode.UnsupportedMediaType);
                Assert.Equal(["identity"], response.Headers.GetValues("Accept-Encoding"));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_empty_body_counts_as_a_missing_body_however_it_is_sent(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.Body is not null))
        {
            var isRequired = operation.Json["requestBody"]!["required"]?.GetValue<bool>() == true;
            using var none = await fixture.SendAsync(service, operation.Method, operation.Address());
            Assert.Equal((operation.Name, isRequired), (operation.Name, none.StatusCode == HttpStatusCode.BadRequest));
            foreach (var type in new[] { null, "application/json", "application/json; charset=utf-16", "text/plain", "application/grpc" })
            {
                foreach (var content in new HttpContent[] { new ByteArrayContent([]), new ChunkedContent("") })
                {
                    using var request = new HttpRequestMessage(new(operation.Method), operation.Address()) { Content = content };
                    _ = type is null || content.Headers.TryAddWithoutValidation("Content-Type", type);
                    request.Headers.Authorization = new("Bearer", fixture.Token(service));
                    using var response = await fixture.Http.SendAsync(request, TestContext.Current.CancellationToken);
                    if (isRequired)
                    {
                        Assert.Equal("body", (await ProblemAsync(response, HttpStatusCode.BadRequest))["errors"]!.AsObject().Single().Key);
                    }
                    else
                    {
                        Assert.NotInRange(response.StatusCode, HttpStatusCode.BadRequest, HttpStatusCode.NotFound);
                        Assert.NotEqual(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
                    }
                }
            }

            using var full = new HttpRequestMessage(new(operation.Method), operation.Address());
            full.Content = new ChunkedContent("""{"nothing":1}""") { Headers = { ContentType = new("application/json") } };
            full.Headers.Authorization = new("Bearer", fixture.Token(service));
            using var refused = await fixture.Http.SendAsync(full, TestContext.Current.CancellationToken);
            Assert.Equal("nothing", (await ProblemAsync(refused, HttpStatusCode.BadRequest))["errors"]!.AsObject().Single().Key);
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Only_the_charset_UTF_8_is_accepted_quoted_or_not(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation =>
            operation.Json["requestBody"]?["required"]?.GetValue<bool>() == true))
        {
            foreach (var (charset, status) in new[]
            {
                ("\"UTF-8\"", HttpStatusCode.BadRequest), ("utf-8", HttpStatusCode.BadRequest),
                ("utf-16", HttpStatusCode.UnsupportedMediaType), ("\"none\"", HttpStatusCode.UnsupportedMediaType)
            })
            {
                using var request = new HttpRequestMessage(new(operation.Method), operation.Address())
                {
                    Content = new ByteArrayContent("{}"u8.ToArray()),
                };
                request.Content.Headers.TryAddWithoutValidation("Content-Type", $"application/json; charset={charset}");
                request.Headers.Authorization = new("Bearer", fixture.Token(service));
                using var response = await fixture.Http.SendAsync(request, TestContext.Current.CancellationToken);
                await ProblemAsync(response, status);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_invalid_body_is_refused_with_the_field_named(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.Body is not null))
        {
            foreach (var body in new[] { "{", "[]", "\"text\"", "1", "{\"a\":1,\"a\":2}", new string('[', 100) })
            {
                await RefusedAsync(operation, body, field: null);
            }

            await RefusedAsync(operation, With("doesNotExist", "1"), "doesNotExist");
            await RefusedAsync(operation, With("does not exist", "1"), "does not exist");
            foreach (var (name, schema) in operation.BodySchema!["properties"]!.AsObject())
            {
                await RefusedAsync(operation, With(name, "{\"a\":1}"), name);
                await RefusedAsync(operation, With(name, "\"a\\u0000b\""), name);
                if (schema!["items"] is { } items && operation.Resolve(items)["properties"] is not null)
                {
                    await RefusedAsync(operation, With(name, "[{\"doesNotExist\":1}]"), $"{name}[0].doesNotExist");
                    await RefusedAsync(operation, With(name, "[null,{\"does not exist\":1}]"), $"{name}[1]['does not exist']");
                }

                if (schema!["type"]!.ToJsonString().Contains("number", StringComparison.Ordinal)
                    || schema["type"]!.ToJsonString().Contains("integer", StringComparison.Ordinal))
                {
                    foreach (var number in InvalidAmounts)
                    {
                        await RefusedAsync(operation, With(name, number), name);
                    }
                }
            }

            string With(string name, string value) =>
                "{"
                    + string.Join(
                        ',',
                        operation.Example!.Where(field => !string.Equals(field.Key, name, StringComparison.Ordinal))
                            .Select(field => $"{JsonSerializer.Serialize(field.Key)}:{field.Value?.ToJsonString() ?? "null"}")
                            .Append($"{JsonSerializer.Serialize(name)}:{value}"))
                    + "}";
        }

        async Task RefusedAsync(Operation operation, string body, string? field)
        {
            using var response = await fixture.Http.SendAsync(operation.Method, operation.Address(), body, fixture.Token(service));
            Assert.True(response.StatusCode == HttpStatusCode.BadRequest, $"{operation} answered {(int)response.StatusCode} to {body}");
            var problem = await ProblemAsync(response, HttpStatusCode.BadRequest);
            Assert.True(
                field is null || problem["errors"]!.AsObject().Any(error => error.Key.StartsWith(field, StringComparison.Ordinal)),
                $"{operation} does not name {field} of {body}: {problem["errors"]}");
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    [Trait("Covers", "N-10")]
    public async Task An_empty_object_is_refused_with_the_JSON_names_of_the_required_fields(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation =>
            operation.Json["requestBody"]?["required"]?.GetValue<bool>() == true))
        {
            using var response = await fixture.Http.SendAsync(operation.Method, operation.Address(), "{}", fixture.Token(service));
            var problem = await ProblemAsync(response, HttpStatusCode.BadRequest);
            var needed = operation.BodySchema!["required"]?.AsArray().Select(field => field!.GetValue<string>())
                .Order(StringComparer.Ordinal).ToArray()
                ?? ["body"];
            Assert.Equal(needed, problem["errors"]!.AsObject().Select(error => error.Key).Order(StringComparer.Ordinal));
            foreach (var (field, messages) in problem["errors"]!.AsObject())
            {
                Assert.DoesNotContain(char.ToUpperInvariant(field[0]) + field[1..], messages!.ToJsonString(), StringComparison.Ordinal);
            }
        }
    }
}
