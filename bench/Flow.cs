namespace MicroPlatform.Bench;

/// <summary>A request that is measured.</summary>
/// <param name="Name">Its name, for <c>--flows</c>.</param>
/// <param name="Service">The service that answers it.</param>
/// <param name="SendAsync">Sends it once; false when it was refused.</param>
/// <param name="IsGrpc">Whether it is a gRPC call: through the Gateway over TLS.</param>
internal sealed record Flow(string Name, string Service, Func<Client, Task<bool>> SendAsync, bool IsGrpc = false)
{
    public const string Checkout = "checkout";

    // Every eleventh request of a client empties its cart; the time of that request counts too.
    private const int ItemsInCart = 10;

    /// <summary>Message of <c>todo.v1.Todos/Get</c> with id 1.</summary>
    private static readonly byte[] FirstTodo = [0x08, 0x01];

    public static readonly Flow[] All =
    [
        new("products", "Cart", client => client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/products"))),
        new("login", "Customers", client => client.SendAsync(client.Rest(
            HttpMethod.Post, "/api/v1/auth/login", body: new { email = client.Account.Email, password = Account.Password }))),
        new("customer", "Customers", client =>
            client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/customers/me", client.Account.Customer))),
        new("cart", "Cart", client => client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/carts/me", client.Account.Customer))),
        new("cart-add", "Cart", AddToCartAsync),
        new("todo", "Todo", client => client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/todos/1", client.Account.User))),
        new("todo-grpc", "Todo", client =>
            client.SendAsync(client.Grpc("/todo.v1.Todos/Get", client.Account.User, FirstTodo)), IsGrpc: true),
        new("warehouse", "Warehouse", client => client.SendAsync(client.Rest(
            HttpMethod.Get, "/api/v1/warehouse/items?limit=100", client.Account.Staff))),
        new("orders", "Sales", client => client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/sales/orders", client.Account.Staff))),
        new("sold-items", "Sales", client =>
            client.SendAsync(client.Rest(HttpMethod.Get, "/api/v1/sales/sold-items", client.Account.Staff))),
    ];

    public static IEnumerable<string> Names => [.. All.Select(flow => flow.Name), Checkout];

    private static async Task<bool> AddToCartAsync(Client client)
    {
        if (client.Sent % (ItemsInCart + 1) == 0)
        {
            await client.SendAsync(client.Rest(HttpMethod.Delete, "/api/v1/carts/me", client.Account.Customer));
        }

        var product = 1 + (client.Sent % (ItemsInCart + 1));
        return await client.SendAsync(client.Rest(
            HttpMethod.Post, "/api/v1/carts/me/items", client.Account.Customer, new { productId = product, quantity = 1 }));
    }
}
