using System.Net;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>A text that people see must not be blank.</summary>
public sealed class BlankTextTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private static readonly string[] Blanks = [" ", "\u200B\u200B", "\u3164", "\u00A0\uFEFF", "\u2800"];

    public static TheoryData<string, string, string, string, string> Texts => new()
    {
        { "todo", "POST", "/api/v1/todos", """{"title":"X"}""", "title" },
        { "todo", "PUT", "/api/v1/todos/1", """{"title":"X"}""", "title" },
        { "todo", "PATCH", "/api/v1/todos/1", """{"title":"X"}""", "title" },
        { "cart", "POST", "/api/v1/products", """{"sku":"X","name":"n","price":1}""", "sku" },
        { "cart", "POST", "/api/v1/products", """{"sku":"s","name":"X","price":1}""", "name" },
        { "cart", "PUT", "/api/v1/products/1", """{"sku":"s","name":"X","price":1}""", "name" },
        { "warehouse", "POST", "/api/v1/warehouse/items", """{"sku":"X","name":"n","countryOfOrigin":"c","price":1}""", "sku" },
        { "warehouse", "POST", "/api/v1/warehouse/items", """{"sku":"s","name":"X","countryOfOrigin":"c","price":1}""", "name" },
        { "warehouse", "POST", "/api/v1/warehouse/items", """{"sku":"s","name":"n","countryOfOrigin":"X","price":1}""", "countryOfOrigin" },
        { "warehouse", "PATCH", "/api/v1/warehouse/items/1", """{"sku":"X"}""", "sku" },
        { "warehouse", "PATCH", "/api/v1/warehouse/items/1", """{"name":"X"}""", "name" },
        { "warehouse", "PATCH", "/api/v1/warehouse/items/1", """{"countryOfOrigin":"X"}""", "countryOfOrigin" },
        { "warehouse", "POST", "/api/v1/warehouse/items/1/stock-adjustments", """{"delta":1,"reason":"X"}""", "reason" },
        { "customers", "PATCH", "/api/v1/customers/me", """{"firstName":"X"}""", "firstName" },
        { "customers", "PATCH", "/api/v1/customers/me", """{"lastName":"X"}""", "lastName" },
        { "customers", "POST", "/api/v1/customers", """{"email":"blank@example.com","password":"longEnough1","firstName":"X"}""",
            "firstName" },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    [Trait("Covers", "N-10")]
    public async Task A_blank_or_invisible_text_is_refused(string service, string method, string path, string body, string field)
    {
        using var http = platform.Http(service);
        var token = service is "cart" or "customers"
            ? await platform.CustomerTokenAsync("admin1@email.com") : await platform.UserTokenAsync("clerk");
        foreach (var blank in Blanks)
        {
            var problem = await http.SendAsync(method, path, body.Replace("X", blank, StringComparison.Ordinal), token).ProblemAsync();
            Assert.Equal((HttpStatusCode.BadRequest, field), (problem.Status, Assert.Single(problem.Fields)));
        }
    }

    [Fact]
    public async Task Blank_text_is_refused_over_gRPC_too()
    {
        var todos = new MicroPlatform.Todo.V1.Todos.TodosClient(platform.Grpc("todo"));
        var token = await platform.UserTokenAsync("alice");
        foreach (var blank in Blanks)
        {
            Assert.Equal(["title"], (await todos.CreateAsync(new() { Title = blank }, As(token)).RefusalAsync()).Fields);
        }
    }
}
