using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// Sends generated requests to every operation, some almost valid and some hostile. No answer may be 5xx, have a status that the
/// document does not declare, or be an error without problem details.
/// </summary>
[Trait("Speed", "slow")]
public sealed class FuzzTests(ContractFixture fixture) : IClassFixture<ContractFixture>
{
    // The fixed seed repeats the same requests in every run; these variables choose other or more requests.
    private static readonly ulong Seed = ulong.Parse(Environment.GetEnvironmentVariable("FUZZ_SEED") ?? "7", CultureInfo.InvariantCulture);
    private static readonly int RequestsPerCaller =
        int.Parse(Environment.GetEnvironmentVariable("FUZZ_REQUESTS") ?? "15", CultureInfo.InvariantCulture);

    private static readonly Gen<string> Text = Gen.OneOf(
        "", " ", "a", "me", "SKU-1", "naïve café", "日本語", "🎉", "e\u0301", "\u202Eevil", "%", "_", "\\", "'; DROP TABLE products; --",
        "<script>alert(1)</script>",
        "${jndi:ldap://x}", "../../etc/passwd", "null", "true", "0", "1e3", new('x', 201), new('x', 5000), "a@b", "alice@example.com",
        "2026-01-05", "2026-01-05T10:00:00Z");

    private static readonly Gen<string> HostileJson = Gen.OneOf(
        "null", "true", "0", "-1", "1", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e400",
        "1.005", "0.1", "-0", "1e-30", "79228162514264337593543950335", "\"\"",
        "\"\\u0000\"", "\"\\ud800\"", "\"\\ud83c\\udf89\"", "[]", "[null]", "[[[[]]]]", "{}", "{\"a\":{\"b\":[1,2,{}]}}",
        "\"0001-01-01T00:00:00+14:00\"", "\"9999-12-31T23:59:59.9999999-14:00\"",
        "\"2026-02-30T00:00:00Z\"", "\"2026-01-05T10:00:00\"", "\"infinity\"", "\""
            + new string('y', 5000)
            + "\"", "NaN", "Infinity", "'x'", "\"");

    private static readonly Gen<string> HostileBody = Gen.OneOf(
        "", " ", "null", "[]", "1", "\"text\"", "{", "}", "{\"a\":1,\"a\":2}", "{\"\":1}", "{\"__proto__\":{}}", "\u0000", "\uFEFF{}",
        "// comment\n{}", "{},{}", new('[', 5000), "{\"a\":"
            + new string('9', 10000)
            + "}");

    private static readonly Gen<string> Id = Gen.Frequency(
        (6, Gen.OneOf("1", "2", "3", "4")),
        (
            3,
            Gen.OneOf(
                "me", "0", "-1", "5", "9223372036854775807", "9223372036854775808", "01900000-0000-7000-8000-000000000003",
                "00000000-0000-0000-0000-000000000000")),
        (1, Gen.OneOf("x", " ", "1.0", "+1", "1e2", "0x1", "１", "é", "a b", "a;b", "*", "{id}", "..%2f..", new('7', 1000))));

    private static readonly Gen<string?> IfMatch = Gen.Frequency(
        (6, Gen.Const((string?)null)),
        (4, Gen.OneOf((string?)"*", "\"1\"", "\"0\"", "1", "W/\"1\"", "\"99999999999\"", "\"\"", ",", "\"1\", *", "\"")));

    private static readonly Gen<string?> Key = Gen.Frequency(
        (8, Gen.Const((string?)null)), (1, Gen.OneOf((string?)"one", "two", " ", "<key>", "\"", new('k', 255), new('k', 256))));

    private static readonly Gen<string> MediaType = Gen.Frequency(
        (20, Gen.Const("application/json")),
        (
            1,
            Gen.OneOf(
                "text/plain", "application/json; charset=utf-16", "application/json; charset=nothing", "application/vnd.api+json",
                "application/problem+json", "*/*", "junk")));

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    [Theory]
    [MemberData(nameof(Services))]
    [Trait("Covers", "N-10")]
    public async Task Every_generated_request_gets_an_answer_that_the_document_declares(string service)
    {
        var operations = fixture.Operations(service);
        var failures = new List<string>();
        foreach (var (index, operation) in operations.Index())
        {
            var (random, requests) = (new PCG((uint)index, Seed), RequestTo(operation));
            foreach (var isKnown in new[] { true, false })
            {
                // A new account, because a request may delete it.
                var token = isKnown ? await AdminAsync(service) : null;
                for (var i = 0; i < RequestsPerCaller; i++)
                {
                    if (await FailureAsync(operation, requests.Generate(random, null, out _), token) is { } failure)
                    {
                        failures.Add(failure);
                    }
                }
            }
        }

        Assert.True(
            failures.Count == 0,
            $"{failures.Count} of {operations.Count * 2 * RequestsPerCaller} requests (FUZZ_SEED={Seed}) were not answered as the "
                + $"document says. The first:\n\n{string.Join("\n\n", failures.Take(10))}");
    }

    private async Task<string?> FailureAsync(Operation operation, Attempt attempt, string? token)
    {
        using var request = new HttpRequestMessage(new(operation.Method), attempt.Address);
        foreach (var (name, value) in attempt.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        request.Headers.Authorization = token is null ? null : new("Bearer", token);
        if (attempt.Body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(attempt.Body));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", attempt.MediaType);
        }

        using var response = await fixture.Http.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        var status = (int)response.StatusCode;
        var type = response.Content.Headers.ContentType?.MediaType;
        // A stream never ends, so its body is not read.
        var text = type is "text/event-stream" ? "" : await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var wrong = operation.Answer(status) is null || status >= 500 ? "is not declared"
            : status >= 400 && (type is not "application/problem+json" || JsonNode.Parse(text)?["status"]?.GetValue<int>() != status)
            ? "has no problem details"
            : null;
        return wrong is null
            ? null
            : $"{operation} {wrong}: {status}\n  {operation.Method} {Short(attempt.Address)} "
                + $"({(token is null ? "anonymous" : "admin")})\n  {string.Join(", ", attempt.Headers)} {attempt.MediaType}\n  "
                + $"{Short(attempt.Body)}\n  {Short(text)}";

        static string? Short(string? text) => text is { Length: > 500 } ? $"{text[..500]}… ({text.Length})" : text;
    }

    private async Task<string> AdminAsync(string service)
    {
        var (customer, unique) = (service is "customers" or "cart", Guid.NewGuid().ToString("N"));
        using var http = fixture.Platform.Http(customer ? "customers" : "users");
        var email = $"{unique}@example.com";
        if (customer)
        {
            await http.SendAsync("POST", "/api/v1/customers", new { email, password = TestPlatform.Password })
                .JsonAsync(System.Net.HttpStatusCode.Created);
            await fixture.Platform.QueryAsync<object>("customersdb", "UPDATE customers SET is_admin = true WHERE email = $1", email);
            return await fixture.Platform.CustomerTokenAsync(email);
        }

        await http.SendAsync("POST", "/api/v1/users", new { username = unique, email, password = TestPlatform.Password })
            .JsonAsync(System.Net.HttpStatusCode.Created);
        await fixture.Platform.QueryAsync<object>("usersdb", "UPDATE users SET role = 'admin' WHERE username = $1", unique);
        return await fixture.Platform.UserTokenAsync(unique);
    }

    private static Gen<Attempt> RequestTo(Operation operation)
    {
        var query = operation.Parameters.Where(parameter => parameter["in"]!.GetValue<string>() is "query").ToList();
        return from ids in Id.Array[4]
               from values in ValueOf(query, operation)
               from ifMatch in IfMatch
               from key in Key
               from body in operation.Body is null ? Gen.Const((string?)null) : BodyOf(operation)
               from type in MediaType
               select new Attempt(AddressOf(operation, ids) + values, body, type,
                   [
                       .. new[]
                       {
                           ("If-Match", ifMatch), ("If-None-Match", ifMatch), ("Idempotency-Key", key)
                       }.Where(header => header.Item2 is not null).Select(header => (header.Item1, header.Item2!)),
                   ]);
    }

    private static string AddressOf(Operation operation, string[] ids)
    {
        var next = 0;
        return operation.Address(_ => Uri.EscapeDataString(ids[next++ % ids.Length]));
    }

    /// <summary>A query string with some of the parameters, valid or not.</summary>
    private static Gen<string> ValueOf(List<JsonObject> query, Operation operation) => query.Aggregate(Gen.Const("?"), (all, parameter) =>
        from text in all
        from use in Gen.Bool
        from isRight in Gen.Bool
        from right in ValidJson(operation, parameter["schema"]!)
        from wrong in Text
        select use
            ? $"{text}{parameter["name"]}={Uri.EscapeDataString(isRight ? right.Trim('"') : wrong[..Math.Min(wrong.Length, 300)])}&"
            : text).Select(text =>
            text.TrimEnd('&', '?'));

    private static Gen<string?> BodyOf(Operation operation) =>
        Gen.Frequency((9, ObjectOf(operation, operation.BodySchema!, operation.Example)), (1, HostileBody)).Select(text => (string?)text);

    /// <summary>
    /// An object of the schema: most fields as in the example, some with another value, some hostile, some absent, rarely an extra one.
    /// </summary>
    private static Gen<string> ObjectOf(Operation operation, JsonObject schema, JsonObject? example)
    {
        var fields = (schema["properties"]?.AsObject() ?? []).Aggregate(Gen.Const(""), (all, property) =>
            from text in all
            from value in Gen.Frequency(
                (5, Gen.Const(example?[property.Key]?.ToJsonString() ?? "")),
                (3, ValidJson(operation, property.Value!)),
                (1, Text.Select(odd => JsonSerializer.Serialize(odd))),
                (1, HostileJson),
                (1, Gen.Const("")))
            select value.Length == 0 ? text : $"{text},{JsonSerializer.Serialize(property.Key)}:{value}");
        return from text in fields
               from more in Gen.Frequency((30, Gen.Const("")), (1, Gen.OneOf(",\"version\":1", ",\"id\":7", ",\"role\":\"admin\"")))
               select $"{{{(text + more).TrimStart(',')}}}";
    }

    private static Gen<string> ValidJson(Operation operation, JsonNode node)
    {
        var schema = operation.Resolve(node);
        if (schema["enum"] is JsonArray values)
        {
            return Gen.OneOf(values.Select(value => value!.ToJsonString()).ToArray());
        }

        var type = schema["type"] is JsonArray several
            ? several.Select(one => one!.GetValue<string>()).First(one => one is not "null")
            : schema["type"]?.GetValue<string>();
        return (type, schema["format"]?.GetValue<string>()) switch
        {
            ("integer", _) => Gen.Frequency(
                (3, Gen.OneOf(1L, 2, 3, 4, 5)),
                (1, Gen.Long[Limit("minimum", -10), Limit("maximum", 1_000_000_000)])).Select(number =>
                    number.ToString(CultureInfo.InvariantCulture)),
            ("number", _) => Gen.Int[0, 10_000_000].Select(cents => (cents / 100m).ToString("F2", CultureInfo.InvariantCulture)),
            ("boolean", _) => Gen.OneOf("true", "false"),
            ("array", _) => ObjectOf(
                operation, operation.Resolve(schema["items"]!), example: null).Array[0, 3].Select(items => $"[{string.Join(',', items)}]"),
            ("string", "date-time") =>
                Gen.Int[-2_000_000_000, 2_000_000_000].Select(seconds => $"\"{DateTimeOffset.UnixEpoch.AddSeconds(seconds):O}\""),
            ("string", "date") => Gen.Int[-800_000, 2_000_000].Select(days =>
                $"\"{DateOnly.FromDateTime(DateTime.UnixEpoch).AddDays(Math.Max(days, -719_000)):O}\""),
            ("string", "email") => Gen.Int[0, 1000].Select(number => $"\"someone{number}@example.com\""),
            _ => Gen.Int[0, 1000].Select(number => $"\"Some text {number}\""),
        };

        long Limit(string keyword, long otherwise) =>
            schema[keyword] is { } limit
                ? (long)decimal.Parse(limit.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture)
                : otherwise;
    }

    private sealed record Attempt(string Address, string? Body, string MediaType, IReadOnlyList<(string Name, string Value)> Headers);
}
