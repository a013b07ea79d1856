using System.Net;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Contract.Problems;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// Rules for every endpoint of every service. These tests and those of bodies and resources call each endpoint in the documents through
/// the Gateway, with the account that has the most rights.
/// </summary>
[Collection(ContractTestGroup.Name)]
public sealed class ConventionTests(ContractFixture fixture) : IAsyncLifetime
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static readonly string[] Verbs = ["GET", "POST", "PUT", "PATCH", "DELETE"];

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    // Waits for events of other tests' orders, which still change orders and stock.
    public async ValueTask InitializeAsync() => await fixture.Platform.QuietAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_unsupported_method_gets_405_with_the_allowed_ones_and_OPTIONS_lists_them_without_a_token(string service)
    {
        foreach (var path in fixture.Operations(service).GroupBy(operation => operation.Path, StringComparer.Ordinal))
        {
            string[] known = [.. path.Select(operation => operation.Method)];
            string[] allowed =
            [
                .. known, .. path.Where(operation => operation is { Method: "GET", IsStream: false }).Select(_ => "HEAD"), "OPTIONS",
            ];
            foreach (var verb in Verbs.Except(known))
            {
                foreach (var token in new[] { fixture.Token(service), "no token", null })
                {
                    using var refused = await fixture.Http.SendAsync(verb, path.First().Address(), token: token);
                    await ProblemAsync(refused, HttpStatusCode.MethodNotAllowed);
                    Assert.Equal(allowed.Order(StringComparer.Ordinal), refused.Content.Headers.Allow.Order(StringComparer.Ordinal));
                }
            }

            using var options = await fixture.Http.SendAsync("OPTIONS", path.First().Address());
            Assert.Equal((path.Key, HttpStatusCode.NoContent), (path.Key, options.StatusCode));
            Assert.Equal(allowed.Order(StringComparer.Ordinal), options.Content.Headers.Allow.Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_unknown_path_is_not_found(string service)
    {
        foreach (var operation in fixture.Operations(service))
        {
            using var response = await fixture.SendAsync(service, operation.Method, operation.Address() + "/nothing/here");
            await ProblemAsync(response, HttpStatusCode.NotFound);
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task HEAD_answers_like_GET_without_the_body_and_a_trailing_slash_changes_nothing(string service)
    {
        // A stream never ends.
        var reads = fixture.Operations(service).Where(operation => operation is { Method: "GET", IsStream: false });
        foreach (var path in reads.Select(operation => operation.Address()).Append($"/openapi/{service}.json"))
        {
            using var get = await fixture.SendAsync(service, "GET", path);
            foreach (var (method, address) in new[] { ("HEAD", path), ("GET", path + "/"), ("HEAD", path + "/") })
            {
                using var other = await fixture.SendAsync(service, method, address);
                Assert.Equal(
                    (address, get.StatusCode, get.Headers.ETag, get.Content.Headers.ContentType),
                    (address, other.StatusCode, other.Headers.ETag, other.Content.Headers.ContentType));
                Assert.Equal(method is "GET", (await other.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).Length > 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Errors_are_problem_details_even_if_the_caller_accepts_another_type(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation =>
            operation.Json["requestBody"]?["required"]?.GetValue<bool>() == true))
        {
            using var usual = await fixture.Http.SendAsync(operation.Method, operation.Address(), "{}", fixture.Token(service));
            var errors = (await ProblemAsync(usual, HttpStatusCode.BadRequest))["errors"]!.ToJsonString();
            foreach (var accepted in new[] { "text/html", "text/event-stream", "application/xml;q=0.5", "nonsense" })
            {
                using var response = await fixture.Http.SendAsync(
                    operation.Method, operation.Address(), "{}", fixture.Token(service), ("Accept", accepted));
                Assert.Equal(errors, (await ProblemAsync(response, HttpStatusCode.BadRequest))["errors"]!.ToJsonString());
                using var nowhere = await fixture.Http.SendAsync(
                    operation.Method, operation.Address() + "/nothing/here", token: fixture.Token(service), headers: ("Accept", accepted));
                await ProblemAsync(nowhere, HttpStatusCode.NotFound);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task An_error_carries_the_request_id_and_trace_of_the_caller_if_they_are_valid(string service)
    {
        foreach (var operation in fixture.Operations(service).Where(operation => operation.NeedsToken))
        {
            foreach (var (id, trace, isGood) in new[]
            {
                ("caller-7", $"00-{Trace}-00f067aa0ba902b7-01", true), ("<script>", "00-<script>", false)
            })
            {
                // The Gateway refuses the first request, the service behind it the second.
                foreach (var (token, address) in new[]
                {
                    (null, operation.Address()), (fixture.Token(service), operation.Address() + "/nothing/here")
                })
                {
                    using var response = await fixture.Http.SendAsync(
                        operation.Method, address, token: token, headers: [("X-Request-Id", id), ("traceparent", trace)]);
                    var problem = await ProblemAsync(response, token is null ? HttpStatusCode.Unauthorized : HttpStatusCode.NotFound);
                    Assert.Equal(
                        isGood, string.Equals(id, Assert.Single(response.Headers.GetValues("X-Request-Id")), StringComparison.Ordinal));
                    Assert.Equal(
                        isGood, Assert.Single(response.Headers.GetValues("traceparent")).Contains(Trace, StringComparison.Ordinal));
                    Assert.Equal(isGood, problem["traceId"]!.GetValue<string>().Contains(Trace, StringComparison.Ordinal));
                    Assert.DoesNotContain("script", problem.ToJsonString(), StringComparison.Ordinal);
                }
            }
        }
    }

    /// <summary>Without an operation of each kind, the other tests would check nothing.</summary>
    [Theory]
    [MemberData(nameof(Services))]
    public void Every_service_has_operations_of_the_kinds_that_these_tests_look_for(string service)
    {
        var operations = fixture.Operations(service);
        Assert.Contains(operations, operation => operation.NeedsToken);
        if (service is not "gateway")
        {
            Assert.Contains(operations, operation => operation.Body is not null && operation.Json["requestBody"]!["required"] is not null);
            Assert.Contains(operations, operation => operation.IsList && operation.Takes("limit"));
            Assert.Contains(operations, operation => operation.Method is not "GET" && operation.Takes("If-Match")
                && operations.Any(read => read.IsVersioned && string.Equals(read.Path, operation.Path, StringComparison.Ordinal)));

            // Customers and Users create only accounts, and a request with a password takes no key.
            Assert.Equal(
                service is not ("customers" or "users"),
                operations.Any(operation => operation.Answer(201) is not null && operation.Takes("Idempotency-Key")));
        }
    }
}
