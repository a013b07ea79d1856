using System.Net;
using System.Text.Json;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Sales.Events;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Rebus.Bus;

namespace MicroPlatform.Tests.Flow;

/// <summary>One order through four services, each with its own database, in this process.</summary>
[Trait("Speed", "slow")]
public sealed class CheckoutTests(TestPlatform platform) : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private HttpClient cart = null!;
    private HttpClient sales = null!;
    private string staff = null!;

    public async ValueTask InitializeAsync()
    {
        // Creating a client starts a service, so that its consumers run.
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting" })
        {
            platform.Http(service).Dispose();
        }

        (cart, sales) = (platform.Http("cart"), platform.Http("sales"));
        staff = await platform.UserTokenAsync("clerk");
    }

    public ValueTask DisposeAsync()
    {
        cart.Dispose();
        sales.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_checkout_confirms_an_order_takes_the_stock_posts_the_total_and_empties_the_cart()
    {
        var me = await NewCustomerAsync((1, 2), (2, 1));
        var free = await FreeAsync(1);
        var (response, orderId) = await CheckOutAsync(me);
        Assert.Equal($"/api/v1/sales/orders/{orderId}", response.Headers.Location!.OriginalString);
        var order = await SettledAsync(orderId);
        Assert.Equal("Confirmed", order.GetProperty("status").GetString());
        Assert.Equal((2 * 99.99m) + 149.99m, order.GetProperty("total").GetDecimal());
        Assert.Equal(
            ["Pending", "Confirmed"], order.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("status").GetString()));
        await InvariantsHoldAsync();
        Assert.Equal(free - 2, await FreeAsync(1));
        Assert.Equal(
            (2 * 99.99m) + 149.99m,
            await platform.QueryAsync<decimal>(
                "accountingdb", "SELECT sum FROM transactions WHERE order_id = $1 AND voided_at IS NULL", orderId));
        await EmptiedAsync(me);
    }

    [Fact]
    public async Task An_order_for_an_unknown_SKU_is_rejected_with_the_reason_and_the_cart_can_be_changed_again()
    {
        var me = await NewCustomerAsync((4, 1));
        var (_, orderId) = await CheckOutAsync(me);
        var order = await SettledAsync(orderId);
        Assert.Equal("Rejected", order.GetProperty("status").GetString());
        Assert.Contains("SKU-UNKNOWN", order.GetProperty("reason").GetString(), StringComparison.Ordinal);
        await Eventually.TrueAsync(
            async () => (await cart.SendAsync("DELETE", "/api/v1/carts/me", token: me).StatusAsync()) == HttpStatusCode.NoContent,
            "the cart can be changed again");
        await InvariantsHoldAsync();
    }

    [Fact]
    [Trait("Covers", "N-26")]
    public async Task Concurrent_orders_for_the_last_pieces_never_exceed_the_stock()
    {
        var customers = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            customers.Add(await NewCustomerAsync((3, 2)));
        }

        var free = await FreeAsync(3);
        var orders = await Task.WhenAll(customers.Select(CheckOutAsync));
        var confirmed = 0;
        foreach (var (_, orderId) in orders)
        {
            confirmed += (await SettledAsync(orderId)).GetProperty("status").GetString() is "Confirmed" ? 1 : 0;
        }

        await InvariantsHoldAsync();
        Assert.Equal(Math.Min(6, free / 2), confirmed);
        Assert.Equal(free - (2 * confirmed), await FreeAsync(3));
    }

    [Fact]
    public async Task Twenty_concurrent_checkouts_of_one_cart_make_one_order()
    {
        var me = await NewCustomerAsync((1, 1));
        var answers = Enumerable.Range(0, 20).Select(_ => cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: me)).ToList();
        await Task.WhenAll(answers);

        var orders = new HashSet<long>();
        foreach (var answer in answers)
        {
            // The first order may be settled, and the cart empty, before the last request arrives.
            if ((await answer).StatusCode is HttpStatusCode.Conflict)
            {
                Assert.Equal("The cart is empty.", (await answer.ProblemAsync()).Detail);
            }
            else
            {
                orders.Add((await answer.JsonAsync(HttpStatusCode.Accepted)).GetProperty("orderId").GetInt64());
            }
        }

        var orderId = Assert.Single(orders);
        await SettledAsync(orderId);
        Assert.Equal(
            1,
            await platform.QueryAsync<long>(
                "salesdb", "SELECT count(*) FROM orders WHERE customer_id = (SELECT customer_id FROM orders WHERE id = $1)", orderId));
    }

    [Fact]
    public async Task An_idempotency_key_returns_the_same_order_before_and_after_it_is_settled()
    {
        var me = await NewCustomerAsync((1, 1));
        var first = await CheckOutAsync(me, ("Idempotency-Key", "same"));
        var during = await CheckOutAsync(me, ("Idempotency-Key", "same"));
        await SettledAsync(first.OrderId);
        await EmptiedAsync(me);
        var after = await CheckOutAsync(me, ("Idempotency-Key", "same"));
        Assert.Equal(first.OrderId, during.OrderId);
        Assert.Equal(first.OrderId, after.OrderId);
        var other = await cart.SendAsync(
            "POST", "/api/v1/carts/me/checkout", new { expectedTotal = 1.00m }, me, ("Idempotency-Key", "same")).ProblemAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.Status);
    }

    [Fact]
    public async Task A_second_key_for_an_open_checkout_returns_its_order_for_a_day()
    {
        var me = await NewCustomerAsync((1, 1));
        var begun = await CheckOutAsync(me, ("Idempotency-Key", "begins"));
        var found = await CheckOutAsync(me, ("Idempotency-Key", "finds"));
        Assert.Equal(begun.OrderId, found.OrderId);
        await SettledAsync(begun.OrderId);
        await EmptiedAsync(me);
        await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 1, quantity = 1 }, me).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(begun.OrderId, (await CheckOutAsync(me, ("Idempotency-Key", "finds"))).OrderId);

        await platform.QueryAsync<object>(
            "cartdb", "UPDATE checkouts SET started_at = started_at - interval '1 day' WHERE order_id = $1", begun.OrderId);
        var later = await CheckOutAsync(me, ("Idempotency-Key", "finds"));
        Assert.NotEqual(begun.OrderId, later.OrderId);
        Assert.Equal(later.OrderId, (await CheckOutAsync(me, ("Idempotency-Key", "finds"))).OrderId);
        Assert.Equal(later.OrderId, (await CheckOutAsync(me, ("Idempotency-Key", "begins"))).OrderId);
        await SettledAsync(later.OrderId);
        await InvariantsHoldAsync();
    }

    [Fact]
    public async Task Cancelling_a_confirmed_order_returns_the_goods_and_voids_the_transaction()
    {
        var me = await NewCustomerAsync((2, 1));
        var free = await FreeAsync(2);
        var (_, orderId) = await CheckOutAsync(me);
        Assert.Equal("Confirmed", (await SettledAsync(orderId)).GetProperty("status").GetString());
        await sales.SendAsync("DELETE", $"/api/v1/sales/orders/{orderId}", token: staff).JsonAsync(HttpStatusCode.NoContent);
        await InvariantsHoldAsync();
        await Eventually.TrueAsync(async () => await FreeAsync(2) == free, "the goods come back");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<bool>(
                "accountingdb", "SELECT voided_at IS NOT NULL FROM transactions WHERE source = $1",
                $"order:{orderId}"), "the transaction is voided");

        // Voiding a voided transaction changes nothing, whether the flow posted it or staff entered it.
        var id = await platform.QueryAsync<long>("accountingdb", "SELECT id FROM transactions WHERE source = $1", $"order:{orderId}");
        using var accounting = platform.Http("accounting");
        Assert.Equal(
            HttpStatusCode.NoContent,
            await accounting.SendAsync("DELETE", $"/api/v1/accounting/transactions/{id}", token: staff).StatusAsync());
    }

    [Fact]
    public async Task An_order_entered_by_staff_is_confirmed_in_the_same_way()
    {
        var order = await sales.SendAsync(
            "POST", "/api/v1/sales/orders", new { customerId = 1, items = new[] { new { itemId = 1, quantity = 1 } } },
            staff).JsonAsync(HttpStatusCode.Created);
        Assert.Equal("Confirmed", (await SettledAsync(order.GetProperty("id").GetInt64())).GetProperty("status").GetString());
        await InvariantsHoldAsync();
    }

    [Fact]
    public async Task A_checkout_of_an_empty_cart_or_another_customers_cart_or_at_a_changed_price_is_refused_and_places_no_order()
    {
        var empty = await NewCustomerAsync();
        var full = await NewCustomerAsync((1, 1));
        var orders = await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders");
        Assert.Equal(
            HttpStatusCode.Conflict, (await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: empty).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden, (await cart.SendAsync("POST", "/api/v1/carts/1/checkout", token: full).ProblemAsync()).Status);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await cart.SendAsync(
                "POST", "/api/v1/carts/3/checkout", token: await platform.CustomerTokenAsync("admin1@email.com")).ProblemAsync()).Status);
        var changed = await cart.SendAsync("POST", "/api/v1/carts/me/checkout", new { expectedTotal = 99.00m }, full).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "expectedTotal"), (changed.Status, Assert.Single(changed.Fields)));
        Assert.Equal(orders, await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders"));
    }

    [Fact]
    public async Task While_Sales_is_down_a_checkout_is_refused_and_a_later_retry_makes_one_order()
    {
        var me = await NewCustomerAsync((1, 1));
        await platform.StopAsync("sales");
        var refused = await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: me).ProblemAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.Status);
        var locked = await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId = 2, quantity = 1 }, me).ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, locked.Status);
        var other = await cart.SendAsync("POST", "/api/v1/carts/me/checkout", new { expectedTotal = 1.00m }, me).ProblemAsync();
        Assert.Equal((HttpStatusCode.Conflict, "expectedTotal"), (other.Status, Assert.Single(other.Fields)));
        platform.Restart("sales");
        sales.Dispose();
        sales = platform.Http("sales");
        var (_, orderId) = await CheckOutAsync(me);
        Assert.Equal("Confirmed", (await SettledAsync(orderId)).GetProperty("status").GetString());
        await InvariantsHoldAsync();
    }

    [Fact]
    public async Task A_checkout_whose_order_staff_reassigned_before_its_answer_arrived_is_refused()
    {
        var me = await NewCustomerAsync((1, 1));
        var (_, orderId) = await CheckOutAsync(me, ("Idempotency-Key", "given"));
        await SettledAsync(orderId);
        await sales.SendAsync("PUT", $"/api/v1/sales/orders/{orderId}", new { customerId = 1 }, staff).JsonAsync();
        await platform.QueryAsync<object>("cartdb", "UPDATE checkouts SET order_id = NULL WHERE order_id = $1", orderId);
        var refused = await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: me, headers: ("Idempotency-Key", "given"))
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        await platform.QueryAsync<object>("cartdb", "UPDATE checkouts SET order_id = $1 WHERE idempotency_key = 'given'", orderId);
    }

    [Fact]
    public async Task Duplicate_and_out_of_order_events_have_no_further_effect()
    {
        var me = await NewCustomerAsync((2, 1));
        var (_, orderId) = await CheckOutAsync(me);
        var order = await SettledAsync(orderId);
        var bus = platform.Services("sales").GetRequiredService<IBus>();
        var confirmed = new OrderConfirmed(orderId, order.GetProperty("total").GetDecimal(), platform.Clock.GetUtcNow(), CheckoutId: null);
        await bus.Publish(new OrderPlaced(orderId, [new(ItemId: null, "SKU-2", 1)]));
        await bus.Publish(confirmed);
        await bus.Publish(confirmed);

        // An order that is cancelled before it is placed and confirmed changes neither stock nor books.
        const long ghost = 1_000_000;
        await bus.Publish(new OrderCancelled(ghost, CheckoutId: null));
        await Eventually.TrueAsync(
            async () =>
                await platform.QueryAsync<long>("accountingdb", "SELECT count(*) FROM cancelled_orders WHERE order_id = $1", ghost) == 1,
            "Accounting notes the cancellation");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<string>(
                "warehousedb", "SELECT status FROM reservations WHERE order_id = $1", ghost) is "Released",
            "Warehouse notes the cancellation");
        var free = await FreeAsync(2);
        await bus.Publish(new OrderPlaced(ghost, [new(ItemId: null, "SKU-2", 1)]));
        await bus.Publish(confirmed with { OrderId = ghost });
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<bool>(
                "accountingdb", "SELECT voided_at IS NOT NULL FROM transactions WHERE order_id = $1", ghost),
            "the late sum is posted as void");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages") == 0, "every message is handled");
        Assert.Equal(free, await FreeAsync(2));
        Assert.Equal(1, await platform.QueryAsync<long>("accountingdb", "SELECT count(*) FROM transactions WHERE order_id = $1", orderId));
        Assert.Equal(
            1, await platform.QueryAsync<long>("warehousedb", "SELECT count(*) FROM reservation_lines WHERE order_id = $1", orderId));
        await platform.QueryAsync<object>("accountingdb", "DELETE FROM transactions WHERE order_id = $1", ghost);
        await platform.QueryAsync<object>("warehousedb", "DELETE FROM reservations WHERE order_id = $1", ghost);
    }

    private async Task<string> NewCustomerAsync(params (long ProductId, int Quantity)[] items)
    {
        using var customers = platform.Http("customers");
        var email = $"{Guid.NewGuid():N}@example.com";
        await customers.SendAsync("POST", "/api/v1/customers", new { email, password = TestPlatform.Password })
            .JsonAsync(HttpStatusCode.Created);
        var token = await platform.CustomerTokenAsync(email);
        foreach (var (productId, quantity) in items)
        {
            await cart.SendAsync("POST", "/api/v1/carts/me/items", new { productId, quantity }, token).JsonAsync(HttpStatusCode.Created);
        }

        return token;
    }

    private Task<(HttpResponseMessage Response, long OrderId)> CheckOutAsync(string token) => CheckOutAsync(token, []);

    private async Task<(HttpResponseMessage Response, long OrderId)> CheckOutAsync(
        string token, params (string Name, string Value)[] headers)
    {
        var response = await cart.SendAsync("POST", "/api/v1/carts/me/checkout", token: token, headers: headers);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, body);
        return (response, JsonDocument.Parse(body).RootElement.GetProperty("orderId").GetInt64());
    }

    private async Task<JsonElement> SettledAsync(long orderId)
    {
        JsonElement order = default;
        await Eventually.TrueAsync(async () =>
        {
            order = await sales.SendAsync("GET", $"/api/v1/sales/orders/{orderId}", token: staff).JsonAsync();
            return order.GetProperty("status").GetString() is not "Pending";
        }, $"order {orderId} is settled", seconds: 60);
        return order;
    }

    private Task EmptiedAsync(string token) =>
        Eventually.TrueAsync(
            async () =>
                (await cart.SendAsync("GET", "/api/v1/carts/me", token: token).JsonAsync()).GetProperty("items").GetArrayLength() == 0,
            "the cart is emptied");

    private Task<long> FreeAsync(long itemId) => platform.QueryAsync<long>("warehousedb", "SELECT free FROM items WHERE id = $1", itemId);

    private Task InvariantsHoldAsync() =>
        Eventually.NoneAsync(
            () => Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken), "the invariants hold",
            seconds: 60);
}
