using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Contract.Problems;

namespace MicroPlatform.Tests.Contract;

/// <summary>Rules for every resource and every list: ids, parameters, pages, creation, versions.</summary>
[Collection(ContractTestGroup.Name)]
public sealed class ResourceConventionTests(ContractFixture fixture) : IAsyncLifetime
{
    private static readonly string[] InvalidNumbers = ["%00", "no", "99999999999999999999999999999999"];
    private static readonly string[] InvalidDates =
        [.. InvalidNumbers, "2026-01", "01/02/2026", "2026-1-5", "20260105", "2026-01-05T00:00", "%202026-01-05", ""];

    private static readonly string[] UnknownIds =
    [
        "999999", "0", "-1", "1.0", "0x1", "abc", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999",
        "01900000-0000-7000-8000-00000000ffff",
    ];

    private static int last;

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    // Waits for events of other tests' orders, which still change orders and stock.
    public async ValueTask InitializeAsync() => await fixture.Platform.QuietAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Services))]
    [Trait("Covers", "A-UD-03")]
    [Trait("Covers", "A-UD-06")]
    [Trait("Covers", "A-UD-08")]
    [Trait("Covers", "A-CI-14")]
    [Trait("Covers", "A-CI-16")]
    [Trait("Covers", "C-WH-03")]
    [Trait("Covers", "C-WH-14")]
    [Trait("Covers", "C-AC-09")]
    [Trait("Covers", "C-SL-03")]
    [Trait("Covers", "C-SL-10")]
    [Trait("Covers", "N-10")]
    [Trait("Covers", "N-21")]
    public async Task An_unknown_id_is_not_found_whatever_its_form(string service)
    {
        // Only its owner checks a cart out, so an admin gets 403 there.
        foreach (var operation in fixture.Operations(service)
            .Where(operation => !operation.Path.EndsWith("/checkout", StringComparison.Ordinal)))
        {
            foreach (var name in operation.Parameters.Where(parameter => parameter["in"]!.GetValue<string>() is "path").Select(NameOf))
            {
                foreach (var id in UnknownIds)
                {
                    var address = operation.Address(parameter =>
                        string.Equals(NameOf(parameter), name, StringComparison.Ordinal) ? id : parameter["example"]!.ToString());
                    using var response = await fixture.SendAsync(service, operation.Method, address, operation.Example?.DeepClone());
                    await ProblemAsync(response, HttpStatusCode.NotFound);
                }
            }
        }

        static string NameOf(JsonObject parameter) => parameter["name"]!.GetValue<string>();
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_invalid_query_parameter_is_refused_with_its_name(string service)
    {
        foreach (var operation in fixture.Operations(service))
        {
            foreach (var parameter in operation.Parameters.Where(parameter => parameter["in"]!.GetValue<string>() is "query"))
            {
                var name = parameter["name"]!.GetValue<string>();
                var isText = parameter["schema"]!["type"]?.GetValue<string>() is "string" && parameter["schema"]!["format"] is null;
                var isDate = parameter["schema"]!["format"]?.GetValue<string>() is "date" or "date-time";
                foreach (var value in isText ? ["%00"] : isDate ? InvalidDates : InvalidNumbers)
                {
                    using var response = await fixture.SendAsync(service, operation.Method, $"{operation.Address()}?{name}={value}");
                    Assert.True(
                        response.StatusCode == HttpStatusCode.BadRequest,
                        $"{operation} answered {(int)response.StatusCode} to {name}={value}");
                    var problem = await ProblemAsync(response, HttpStatusCode.BadRequest);
                    Assert.True(
                        problem["errors"]!.AsObject().ContainsKey(value is "%00" ? "query" : name),
                        $"{operation} does not name {name}: {problem["errors"]}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_list_is_read_page_by_page_and_invalid_limits_and_cursors_are_refused(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.IsList))
        {
            foreach (var query in new[]
            {
                "limit=0", "limit=201", "limit=-1", "limit=no", "limit=1.5", "cursor=no", "cursor=%2B%2B%2B%2B",
                "cursor=" + new string('A', 3000)
            })
            {
                using var response = await fixture.SendAsync(service, "GET", $"{operation.Address()}?{query}");
                var problem = await ProblemAsync(response, HttpStatusCode.BadRequest);
                Assert.Equal([query.Split('=')[0]], problem["errors"]!.AsObject().Select(error => error.Key));
            }

            var whole = await PageAsync("limit=200");
            Assert.Null(whole["nextCursor"]);
            var (walked, cursor) = (new List<string>(), "");
            do
            {
                var page = await PageAsync($"limit=1{cursor}");
                walked.AddRange(page["items"]!.AsArray().Select(KeyOf));
                cursor = page["nextCursor"] is { } next ? $"&cursor={Uri.EscapeDataString(next.GetValue<string>())}" : null;
            }
            while (cursor is not null);
            Assert.Equal(whole["items"]!.AsArray().Select(KeyOf), walked);

            // Compares only ids: other fields may change between two pages.
            static string KeyOf(JsonNode? item) => item!.AsObject().First().Value!.ToJsonString();

            async Task<JsonNode> PageAsync(string query)
            {
                using var response = await fixture.SendAsync(service, "GET", $"{operation.Address()}?{query}");
                Assert.Equal((operation.Name, HttpStatusCode.OK), (operation.Name, response.StatusCode));
                return JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_created_resource_has_a_location_and_an_idempotency_key_creates_it_once(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.Answer(201) is not null))
        {
            var (key, body) = (("Idempotency-Key", $"{operation.Name} {Next()}"), Fresh(operation));
            var list = fixture.Operations(service).SingleOrDefault(read =>
                read.IsList && string.Equals(read.Path, operation.Path, StringComparison.Ordinal));
            var before = await CountAsync();
            var concurrent = operation.TakesPassword ? 1 : 6;
            var made = Assert.Single(
                (await Task.WhenAll(Enumerable.Range(0, concurrent).Select(_ => MadeAsync(operation, body, key)))).Distinct());
            Assert.StartsWith("/api/v1/", made.Location, StringComparison.Ordinal);
            if (operation.TakesPassword)
            {
                // Registrations ignore the key: the unique name already prevents a second account.
                using var again = await fixture.SendAsync(service, operation.Method, operation.Address(), body, key);
                await ProblemAsync(again, HttpStatusCode.Conflict);
            }
            else
            {
                Assert.Equal(made, await MadeAsync(operation, body, key));
                Assert.Equal(list is null ? 0 : before + 1, await CountAsync());
                using var other = await fixture.SendAsync(service, operation.Method, operation.Address(), Other(body), key);
                await ProblemAsync(other, HttpStatusCode.UnprocessableEntity);
                using var refused = await fixture.SendAsync(service, operation.Method, operation.Address(), Fresh(operation),
                    ("Idempotency-Key", new string('k', 256)));
                var problem = await ProblemAsync(refused, HttpStatusCode.BadRequest);
                Assert.Equal(["Idempotency-Key"], problem["errors"]!.AsObject().Select(error => error.Key));
            }

            using var read = await fixture.SendAsync(service, "GET", made.Location);
            Assert.Equal((operation.Name, HttpStatusCode.OK), (operation.Name, read.StatusCode));
            Assert.Equal(operation.Answer(201)!["headers"]!["ETag"] is not null, made.ETag is not null);

            async Task<int> CountAsync() => list is null ? 0 : (await fixture.SendAsync(service, "GET", list.Address() + "?limit=200")
                .JsonAsync()).GetProperty("items").GetArrayLength();
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_resource_supports_conditional_reads_by_ETag(string service)
    {
        foreach (var read in fixture.Operations(service).Where(operation => operation.IsVersioned))
        {
            var address = await AddressOfOneAsync(service, read);
            await fixture.Platform.QuietAsync();
            var tag = await TagAsync(service, address);
            using var whole = await fixture.SendAsync(service, "GET", address);
            foreach (var (known, status) in new[]
            {
                (tag, HttpStatusCode.NotModified), ($"\"0\", W/{tag}", HttpStatusCode.NotModified), ("*", HttpStatusCode.NotModified),
                ("\"0\"", HttpStatusCode.OK), ("junk", HttpStatusCode.OK)
            })
            {
                using var again = await fixture.SendAsync(service, "GET", address, headers: ("If-None-Match", known));
                Assert.Equal((known, status), (known, again.StatusCode));
                Assert.Equal(tag, again.Headers.ETag!.Tag);
                Assert.Equal($"{whole.Headers.Vary} {whole.Headers.CacheControl}", $"{again.Headers.Vary} {again.Headers.CacheControl}");
                Assert.Equal(
                    status == HttpStatusCode.OK,
                    (await again.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).Length > 0);
            }

            foreach (var (known, status) in new[]
            {
                (tag, HttpStatusCode.OK), ($"\"0\", {tag}", HttpStatusCode.OK), ("*", HttpStatusCode.OK),
                ("\"0\"", HttpStatusCode.PreconditionFailed), ($"W/{tag}", HttpStatusCode.PreconditionFailed),
                ("junk", HttpStatusCode.BadRequest),
            })
            {
                using var conditional = await fixture.SendAsync(service, "GET", address, headers: ("If-Match", known));
                Assert.Equal((read.Name, known, status), (read.Name, known, conditional.StatusCode));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_resource_supports_conditional_writes_by_ETag(string service)
    {
        foreach (var read in fixture.Operations(service).Where(operation => operation.IsVersioned))
        {
            var address = await AddressOfOneAsync(service, read);
            var older = new List<string>();
            // An order may be rejected because other tests took the stock, and a cart may be in a checkout; both refuse changes.
            var mayConflict = read.Path is "/api/v1/sales/orders/{id}" or "/api/v1/carts/{customerId}";
            // DELETE comes last, and never deletes the caller's own account.
            var writes = fixture.Operations(service)
                .Where(operation => operation.Method is not "GET"
                    && string.Equals(operation.Path, read.Path, StringComparison.Ordinal)
                    && operation.Takes("If-Match"))
                .OrderBy(operation => operation.Method is "DELETE").ToList();
            foreach (var write in writes)
            {
                await fixture.Platform.QuietAsync();
                var tag = await TagAsync(service, address);
                foreach (var bad in new[] { "junk", tag.Trim('"'), $"{tag};" })
                {
                    using var refused = await WriteAsync(write, ("If-Match", bad));
                    Assert.Equal((write.Name, bad, HttpStatusCode.BadRequest), (write.Name, bad, refused.StatusCode));
                    Assert.Equal(
                        ["If-Match"],
                        (await ProblemAsync(refused, HttpStatusCode.BadRequest))["errors"]!.AsObject().Select(error => error.Key));
                }

                foreach (var condition in older.Select(version => ("If-Match", version)).Concat(
                [
                    ("If-Match", "\"0\", \"1\""), ("If-Match", $"W/{tag}"), ("If-Match", "\"abc\""),
                    ("If-Match", "\"-1\""), ("If-Match", "\"99999999999\""), ("If-Match", "\"0\","),
                    ("If-None-Match", "*"), ("If-None-Match", tag), ("If-None-Match", $"\"0\",, W/{tag},"),
                ]))
                {
                    using var stale = await WriteAsync(write, condition);
                    await ProblemAsync(stale, HttpStatusCode.PreconditionFailed);
                }

                Assert.Equal(tag, await TagAsync(service, address));
                if (write.Method is "DELETE" && address.EndsWith("/me", StringComparison.Ordinal))
                {
                    continue;
                }

                // Another change may come between reading and writing; then the test reads again, as the answer advises.
                var status = HttpStatusCode.PreconditionFailed;
                for (var attempt = 0; attempt < 5 && status == HttpStatusCode.PreconditionFailed; attempt++)
                {
                    tag = await TagAsync(service, address);
                    using var done = await WriteAsync(write, ("If-Match", $",\"0\" , {tag},"), ("If-None-Match", "\"0\""));
                    status = done.StatusCode;
                }

                Assert.True(
                    status is HttpStatusCode.OK or HttpStatusCode.NoContent || (mayConflict && status is HttpStatusCode.Conflict),
                    $"{write} at {address} with the present ETag: {(int)status}");
                if (status == HttpStatusCode.OK && !string.Equals(tag, await TagAsync(service, address), StringComparison.Ordinal))
                {
                    older.Add(tag);
                    using var late = await WriteAsync(write, ("If-Match", tag));
                    await ProblemAsync(late, HttpStatusCode.PreconditionFailed);
                }
            }

            Assert.True(
                older.Count > 0 || mayConflict || writes.TrueForAll(write => write.Method is "DELETE"),
                $"No write changed {address}, so no older version was refused.");

            Task<HttpResponseMessage> WriteAsync(Operation write, params (string, string)[] conditions) =>
                fixture.SendAsync(service, write.Method, address, write.Example?.DeepClone(), conditions);
        }
    }

    /// <summary>The tag for a caller that accepts compression; it must be valid for the next write.</summary>
    private async Task<string> TagAsync(string service, string address)
    {
        using var response = await fixture.SendAsync(service, "GET", address, headers: ("Accept-Encoding", "gzip, br"));
        Assert.Equal((address, HttpStatusCode.OK), (address, response.StatusCode));
        return response.Headers.ETag!.Tag;
    }

    /// <summary>The address of a new resource of this kind, or of the document's example where none can be made.</summary>
    private async Task<string> AddressOfOneAsync(string service, Operation read)
    {
        foreach (var making in fixture.Operations(service).Where(operation =>
            operation.Answer(201)?["headers"]?["ETag"] is not null && read.Path.StartsWith(operation.Path, StringComparison.Ordinal)))
        {
            var (location, _, _) = await MadeAsync(making, Fresh(making));
            if (read.IsAt(location) && !read.Path.EndsWith("/me", StringComparison.Ordinal))
            {
                return location;
            }
        }

        return read.Address();
    }

    private static string Next() => Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture);

    /// <summary>The example, with new values in the fields that must be unique.</summary>
    private static JsonObject Fresh(Operation operation)
    {
        var (body, number) = ((JsonObject)operation.Example!.DeepClone(), Next());
        foreach (var field in new[] { "sku", "username", "name", "email", "title", "reason" })
        {
            if (body[field] is { } text)
            {
                body[field] = field is "email" ? $"{number}.{text}" : $"{text}-{number}";
            }
        }

        return body;
    }

    /// <summary>The same body with another value in its first field.</summary>
    private static JsonObject Other(JsonObject body)
    {
        var (other, (field, value)) = ((JsonObject)body.DeepClone(), body.First());
        other[field] = value!.GetValueKind() == JsonValueKind.Number ? value.GetValue<decimal>() + 1 : $"{value}x";
        return other;
    }

    private async Task<(string Location, string Body, string? ETag)> MadeAsync(
        Operation operation, JsonObject body, params (string, string)[] headers)
    {
        var service = ContractFixture.Services.Single(service => ReferenceEquals(fixture.Document(service), operation.Document));
        using var response = await fixture.SendAsync(service, operation.Method, operation.Address(), body, headers);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(
            response.StatusCode == HttpStatusCode.Created,
            $"{operation} answered {(int)response.StatusCode} to {body.ToJsonString()}: {text}");
        return (response.Headers.Location!.OriginalString, text, response.Headers.ETag?.Tag);
    }
}
