using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Tests.Fixtures;
using Microsoft.OpenApi;

namespace MicroPlatform.Tests.Contract;

/// <summary>An independent validator accepts the documents and the real answers of the services.</summary>
public sealed class AnswerTests(ContractFixture fixture) : IClassFixture<ContractFixture>
{
    private const string NewPassword = "otherPass123";

    private readonly Dictionary<string, (string Service, Operation Operation)> operations = ContractFixture.Services
        .SelectMany(service => fixture.Operations(service), (service, operation) => (service, operation))
        .ToDictionary(pair => pair.operation.Name, StringComparer.Ordinal);

    private readonly Dictionary<string, Schemas> schemas = ContractFixture.Services
        .ToDictionary(service => service, service => new Schemas(fixture.Document(service)), StringComparer.Ordinal);

    private readonly HashSet<string> answered = new(StringComparer.Ordinal);
    private readonly List<string> wrong = [];

    public static TheoryData<string> Services => [.. ContractFixture.Services];

    [Theory]
    [MemberData(nameof(Services))]
    public void A_document_and_its_schemas_and_examples_are_valid(string service)
    {
        var document = fixture.Document(service);
        var read = OpenApiDocument.Parse(document.ToJsonString(), OpenApiConstants.Json);
        Assert.Empty(read.Diagnostic!.Errors.Concat(read.Diagnostic.Warnings).Select(error => $"{error.Pointer}: {error.Message}"));

        var all = schemas[service].All.ToList();
        Assert.NotEmpty(all);
        foreach (var (where, schema) in all)
        {
            Assert.Equal((where, ""), (where, Schemas.FaultsOf(schema)));
            var isArray = schema["type"]?.ToJsonString().Contains("\"array\"", StringComparison.Ordinal) == true;
            Assert.True(!isArray || schema["items"] is JsonObject { Count: > 0 }, $"{where} does not say what it is an array of");
            if (schema["oneOf"]?.ToJsonString().Contains("\"null\"", StringComparison.Ordinal) == true)
            {
                Assert.Equal((where, ""), (where, schemas[service].Violations(schema, JsonSerializer.SerializeToElement<object?>(null))));
            }
        }

        foreach (var operation in fixture.Operations(service))
        {
            var contents = operation.Answers.Select(answer => answer.Answer["content"]).Append(operation.Json["requestBody"]?["content"]);
            foreach (var media in contents.OfType<JsonObject>().SelectMany(content => content.Select(type => type.Value!)))
            {
                Assert.Equal("", media["example"] is { } example
                    ? schemas[service].Violations(media["schema"]!, JsonSerializer.SerializeToElement(example))
                    : "");
            }
        }
    }

    [Fact]
    [Trait("Covers", "N-10")]
    public async Task Every_operation_answers_as_its_document_says()
    {
        await AskOfCustomersAsync();
        await AskOfCartAsync();
        await AskOfUsersAsync();
        await AskOfTodoAsync();
        await AskOfWarehouseAsync();
        await AskOfAccountingAsync();
        await AskOfSalesAndOverviewAsync();

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(operations.Keys.Order(StringComparer.Ordinal), answered.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Every_operation_refuses_as_its_document_says(string service)
    {
        foreach (var operation in fixture.Operations(service))
        {
            var (verb, address, token) = (operation.Method, operation.Address(), fixture.Token(service));
            var refusals = new List<(HttpStatusCode Status, Task<HttpResponseMessage> Answer)>
            {
                (HttpStatusCode.BadRequest, fixture.Http.SendAsync(verb, $"{address}?none=%00", token: token)),
            };
            if (operation.NeedsToken)
            {
                refusals.Add((HttpStatusCode.Unauthorized, fixture.Http.SendAsync(verb, address)));
            }

            if (operation.Body is not null)
            {
                refusals.Add((HttpStatusCode.BadRequest, fixture.Http.SendAsync(verb, address, """{"nothing":1}""", token)));
                var gzipped = fixture.Http.SendAsync(verb, address, "{}", token, ("Content-Encoding", "gzip"));
                refusals.Add((HttpStatusCode.UnsupportedMediaType, gzipped));
            }
            else if (operation.Path.Contains("{id}", StringComparison.Ordinal))
            {
                var nothing = operation.Address(id => id["schema"]!["format"]?.ToString() is "uuid" ? $"{Guid.Empty}" : "987654321");
                refusals.Add((HttpStatusCode.NotFound, fixture.Http.SendAsync(verb, nothing, token: token)));
            }

            foreach (var (status, sending) in refusals)
            {
                using var answer = await sending;
                await ValidateAsync(service, operation, answer, status);
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private async Task AskOfCustomersAsync()
    {
        var email = $"{Guid.NewGuid():N}@example.com";
        var id = IdOf(await AskAsync("POST /api/v1/customers", body: new { email, password = TestPlatform.Password, firstName = "Ann" }));
        var pair = await AskAsync("POST /api/v1/auth/login", body: new { email, password = TestPlatform.Password });
        pair = await AskAsync("POST /api/v1/auth/refresh", body: new { refreshToken = Text(pair, "refreshToken") });
        await AskAsync("GET /api/v1/customers");
        await AskAsync("GET /api/v1/customers/{customerId}", [id]);
        await AskAsync("PATCH /api/v1/customers/{customerId}", [id], new { lastName = "Other" });
        var change = new { currentPassword = TestPlatform.Password, newPassword = NewPassword, confirmNewPassword = NewPassword };
        pair = await AskAsync("PUT /api/v1/customers/{customerId}/password", ["me"], change, Text(pair, "accessToken"));
        await AskAsync("POST /api/v1/auth/logout", body: new { refreshToken = Text(pair, "refreshToken") });
        await AskAsync("DELETE /api/v1/customers/{customerId}", [id]);
    }

    private async Task AskOfCartAsync()
    {
        var product = new { sku = "SKU-1", name = "A product", price = 1.5m };
        var id = IdOf(await AskAsync("POST /api/v1/products", body: product));
        await AskAsync("GET /api/v1/products");
        await AskAsync("GET /api/v1/products/{id}", [id]);
        await AskAsync("PUT /api/v1/products/{id}", [id], product);
        var line = new { productId = id, quantity = 1 };
        var cart = await AskAsync("POST /api/v1/carts/{customerId}/items", ["me"], line);
        var item = IdOf(cart.GetProperty("items").EnumerateArray().Last());
        await AskAsync("GET /api/v1/carts/{customerId}", ["me"]);
        await AskAsync("PATCH /api/v1/carts/{customerId}/items/{itemId}", ["me", item], new { quantity = 2 });
        await AskAsync("DELETE /api/v1/carts/{customerId}/items/{itemId}", ["me", item]);
        await AskAsync("DELETE /api/v1/carts/{customerId}", ["me"]);
        await AskAsync("DELETE /api/v1/products/{id}", [id]);
        await AskAsync("POST /api/v1/carts/{customerId}/items", ["me"], new { productId = 1, quantity = 1 });
        await fixture.Platform.StopAsync("warehouse"); // so that the order stays undecided
        await AskAsync("POST /api/v1/carts/{customerId}/checkout", ["me"]);
        await AskAsync("DELETE /api/v1/carts/{customerId}/checkout", ["me"]);
        fixture.Platform.Restart("warehouse");
        await AskAsync("POST /api/v1/carts/{customerId}/checkout", ["me"]);
    }

    private async Task AskOfUsersAsync()
    {
        var username = $"user{Guid.NewGuid():N}"[..20];
        var user = new { username, password = TestPlatform.Password, email = $"{username}@example.com" };
        var id = Text(await AskAsync("POST /api/v1/users", body: user), "id");
        var pair = await AskAsync("POST /api/v1/users/login", body: new { username, password = TestPlatform.Password });
        pair = await AskAsync("POST /api/v1/users/refresh", body: new { refreshToken = Text(pair, "refreshToken") });
        await AskAsync("GET /api/v1/users");
        await AskAsync("GET /api/v1/users/{id}", [id]);
        await AskAsync("GET /api/v1/users/me");
        await AskAsync("PATCH /api/v1/users/me", body: new { email = $"other-{username}@example.com" }, token: Text(pair, "accessToken"));
        var change = new { currentPassword = TestPlatform.Password, newPassword = NewPassword, confirmNewPassword = NewPassword };
        pair = await AskAsync("PUT /api/v1/users/me/password", body: change, token: Text(pair, "accessToken"));
        await AskAsync("POST /api/v1/users/logout", body: new { refreshToken = Text(pair, "refreshToken") });
        await AskAsync("PATCH /api/v1/users/{id}", [id], new { role = "staff" });
        pair = await AskAsync("POST /api/v1/users/login", body: new { username, password = NewPassword });
        await AskAsync("DELETE /api/v1/users/me", token: Text(pair, "accessToken"));
    }

    private async Task AskOfTodoAsync()
    {
        var id = IdOf(await AskAsync("POST /api/v1/todos", body: new { title = "Without a date" }));
        await AskAsync("GET /api/v1/todos");
        await AskAsync("GET /api/v1/todos/{id}", [id]);
        await AskAsync("PUT /api/v1/todos/{id}", [id], new { title = "With one", dueAt = "2026-01-05t10:00:00z" });
        await AskAsync("PATCH /api/v1/todos/{id}", [id], new { completed = true });
        await AskAsync("DELETE /api/v1/todos/{id}", [id]);
    }

    private async Task AskOfWarehouseAsync()
    {
        var sku = Guid.NewGuid().ToString("N");
        var id = IdOf(await AskAsync("POST /api/v1/warehouse/items", body: new { sku, name = sku, countryOfOrigin = "Spain", price = 1 }));
        await AskAsync("GET /api/v1/warehouse/items");
        await AskAsync("GET /api/v1/warehouse/items/{id}", [id]);
        await AskAsync("PUT /api/v1/warehouse/items/{id}", [id], new { price = 2.5m });
        await AskAsync("PATCH /api/v1/warehouse/items/{id}", [id], new { quantity = 3 });
        const string Adjustments = "/api/v1/warehouse/items/{itemId}/stock-adjustments";
        var adjustment = IdOf(await AskAsync($"POST {Adjustments}", [id], new { delta = 1, reason = "Found" }));
        await AskAsync($"GET {Adjustments}", [id]);
        await AskAsync($"GET {Adjustments}/{{id}}", [id, adjustment]);
        await AskAsync("DELETE /api/v1/warehouse/items/{id}", [id]);
    }

    private async Task AskOfAccountingAsync()
    {
        var id = IdOf(await AskAsync("POST /api/v1/accounting/transactions", body: new { orderId = 987654, sum = 1.5m }));
        await AskAsync("PUT /api/v1/accounting/transactions/{id}", [id], new { orderId = 987655 });
        await AskAsync("DELETE /api/v1/accounting/transactions/{id}", [id]);
        await AskAsync("GET /api/v1/accounting/transactions/{id}", [id]);
        await AskAsync("GET /api/v1/accounting/transactions");
        await AskAsync("GET /api/v1/accounting/summary");
    }

    private async Task AskOfSalesAndOverviewAsync()
    {
        // This customer is deleted later, so that the overview has null in the customer's place.
        var account = new { email = $"{Guid.NewGuid():N}@example.com", password = TestPlatform.Password };
        var customer = IdOf(await AskAsync("POST /api/v1/customers", body: account));
        object[] lines = [new { itemId = 1, quantity = 1 }];
        var id = IdOf(await AskAsync("POST /api/v1/sales/orders", body: new { customerId = 1, items = lines }));
        await AskAsync("GET /api/v1/sales/orders");
        await AskAsync("PUT /api/v1/sales/orders/{id}", [id], new { customerId = customer });
        await AskAsync("DELETE /api/v1/customers/{customerId}", [customer]);
        await AskAsync("GET /api/v1/sales/orders/{id}", [id]);
        Assert.Equal(JsonValueKind.Null, (await AskAsync("GET /api/v1/overview/orders/{id}", [id])).GetProperty("customer").ValueKind);
        await AskAsync("DELETE /api/v1/sales/orders/{id}", [id]);
        await AskAsync("GET /api/v1/sales/sold-items");
        await AskAsync("GET /api/v1/sales/summary");

        await fixture.Platform.QueryAsync<object>("busdb", """
            INSERT INTO messages (recipient, priority, expiration, visible, headers, body) VALUES ($1, 0, now() + '1 day', now(),
                '{"rbs2-msg-id":"1","rbs2-source-queue":"cart","dead-letter-at":"2026-01-05T10:00:00Z"}', '')
            """, MessagingExtensions.DeadLetterQueue);
        var letters = (await AskAsync("GET /api/v1/sales/dead-letters")).GetProperty("items");
        await AskAsync("GET /api/v1/overview/board");
        await AskAsync("POST /api/v1/sales/dead-letters/{id}/retry", [IdOf(letters[0])]);
        await AskAsync("GET /api/v1/overview/board/stream");
    }

    private static long IdOf(JsonElement json) => json.GetProperty("id").GetInt64();

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;

    /// <summary>Sends one request and records where the answer differs from the document.</summary>
    /// <returns>The body; undefined when there is none.</returns>
    private async Task<JsonElement> AskAsync(string name, object[]? ids = null, object? body = null, string? token = null)
    {
        var (service, operation) = operations[name];
        var next = 0;
        var address = operation.Address(_ => Convert.ToString(ids![next++], CultureInfo.InvariantCulture)!);
        using var request = new HttpRequestMessage(new(operation.Method), address);
        request.Content = body is null ? null : JsonContent.Create(body, body.GetType());
        request.Headers.Authorization = new("Bearer", token ?? fixture.Token(service));
        var cancellationToken = TestContext.Current.CancellationToken;
        using var answer = await fixture.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answered.Add(name);
        return await ValidateAsync(service, operation, answer, expected: null);
    }

    private async Task<JsonElement> ValidateAsync(string service, Operation operation, HttpResponseMessage answer, HttpStatusCode? expected)
    {
        var (status, type) = ((int)answer.StatusCode, answer.Content.Headers.ContentType?.MediaType);
        // A stream never ends, so its body is not read.
        var text = type is "text/event-stream" ? "" : await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var declared = operation.Answer(status);
        var media = type is null ? null : declared?["content"]?[type];
        var json = text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
        var isExpected = expected is null ? status is >= 200 and < 300 : answer.StatusCode == expected;
        var violation = !isExpected ? "not the status that is expected"
            : declared is null ? "not declared"
            : declared["content"] is null != type is null || (type is not null && media is null) ? $"{type ?? "no body"} is not declared"
            : json.ValueKind is JsonValueKind.Undefined ? ""
            : schemas[service].Violations(media!["schema"]!, json);
        if (violation.Length > 0)
        {
            wrong.Add($"{operation} answered {status}: {violation}\n  {text}");
        }

        return json;
    }
}
