using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using TodosClient = MicroPlatform.Todo.V1.Todos.TodosClient;

namespace MicroPlatform.Tests.Budgets;

/// <summary>How many statements a request takes, in all services together: the figure is the same on every machine.</summary>
[Trait("Speed", "slow")]
public sealed class StatementTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Customer = "nonadmin3@email.com";

    [Theory]
    [InlineData("cart", "/api/v1/products?limit=200", 1)]
    [InlineData("cart", "/api/v1/products/1", 1)]
    [InlineData("cart", "/api/v1/carts/me", 3)] // the caller, the cart, its checkout
    [InlineData("customers", "/api/v1/customers/me", 1)]
    [InlineData("users", "/api/v1/users/me", 1)]
    [InlineData("todo", "/api/v1/todos", 1)]
    [InlineData("todo", "/api/v1/todos/1", 1)]
    [InlineData("warehouse", "/api/v1/warehouse/items?limit=100", 1)]
    [InlineData("warehouse", "/api/v1/warehouse/items/1", 1)]
    [InlineData("accounting", "/api/v1/accounting/transactions", 1)]
    [InlineData("sales", "/api/v1/sales/orders", 1)]
    [InlineData("sales", "/api/v1/sales/sold-items", 2)] // what was sold, the names in the warehouse
    public async Task A_read_takes_the_budgeted_number_of_statements(string service, string path, int most)
    {
        using var http = platform.Http(service);
        var token = service switch
        {
            "cart" or "customers" => await platform.CustomerTokenAsync(Customer),
            "todo" => await platform.UserTokenAsync("alice"),
            _ => await platform.UserTokenAsync("clerk"),
        };

        await http.SendAsync("GET", path, token: token).JsonAsync(); // starts the services that it calls

        var work = await Work.OfAsync(trace => http.SendAsync("GET", path, token: token, headers: trace));

        Assert.True(work.Statements.Count == most, string.Join('\n', work.Statements));
    }

    [Fact]
    public async Task Adding_a_product_to_a_cart_stays_within_its_statement_budget()
    {
        const int most = 7; // the caller; the cart's existence, its lock, its checkout, the item, the new version, the cart in the answer
        using var http = platform.Http("cart");
        var token = await platform.CustomerTokenAsync(Customer);

        await http.SendAsync("GET", "/api/v1/carts/me", token: token).JsonAsync(); // starts the services that it calls

        var work = await Work.OfAsync(
            trace => http.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, token, trace));

        Assert.True(work.Statements.Count <= most, string.Join('\n', work.Statements));
    }

    [Fact]
    public async Task Reading_a_to_do_over_gRPC_takes_one_statement()
    {
        using var channel = platform.Grpc("todo");
        var client = new TodosClient(channel);
        var token = await platform.UserTokenAsync("alice");

        var work = await Work.OfAsync(async trace =>
        {
            var options = As($"Bearer {token}");
            options.Headers!.Add(trace.Name, trace.Value);
            await client.GetAsync(new() { Id = 1 }, options);
            return new();
        });

        Assert.Single(work.Statements);
    }
}
