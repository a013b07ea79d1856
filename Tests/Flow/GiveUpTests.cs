using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Grpc.Core;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.Sales.V1;
using MicroPlatform.Tests.Cart;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;

namespace MicroPlatform.Tests.Flow;

/// <summary>A checkout that is given up, by its customer or after a time, before its order is decided.</summary>
[Trait("Speed", "slow")]
public sealed class GiveUpTests(TestPlatform platform) : IClassFixture<TestPlatform>, IAsyncLifetime
{
    private const string Checkout = Shop.MyCart + "/checkout";
    private HttpClient cart = null!;

    public ValueTask InitializeAsync()
    {
        foreach (var service in new[] { "customers", "users", "warehouse", "accounting", "sales" })
        {
            platform.Http(service).Dispose();
        }

        cart = platform.Http("cart");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        platform.OnCall = null;
        platform.Restart("warehouse");
        platform.Restart("sales");
        await platform.QueryAsync<object>("busdb", "UPDATE messages SET visible = now()");
        await platform.QuietAsync();
        Assert.Empty(await Invariants.FindViolationsAsync(platform.ConnectionString, TestContext.Current.CancellationToken));
        cart.Dispose();
    }

    [Fact]
    public async Task Giving_up_a_checkout_cancels_its_pending_order_and_the_cart_can_be_changed_again()
    {
        await platform.StopAsync("warehouse");
        var account = await NewCustomerAsync();
        var orderId = await CheckOutAsync(account);

        Assert.Equal(HttpStatusCode.NoContent, await GiveUpAsync(account));
        Assert.Equal("Cancelled", await StatusAsync(orderId));
        Assert.Equal(HttpStatusCode.NoContent, await GiveUpAsync(account));
        await cart.AddItemAsync(account, productId: 2);
        platform.Restart("warehouse");
        await platform.QuietAsync();
        Assert.Equal(("Cancelled", 2), (await StatusAsync(orderId), await ItemsAsync(account)));
    }

    [Fact]
    public async Task A_cart_shows_the_prices_of_its_checkout_during_the_checkout_and_current_prices_afterwards()
    {
        await platform.StopAsync("warehouse");
        var account = await NewCustomerAsync(await platform.AddProductAsync(10m, "Lamp"), quantity: 3);
        await CheckOutAsync(account);
        var tag = await cart.CartTagAsync(account);
        await platform.QueryAsync<object>("cartdb", "UPDATE products SET price = 12.50 WHERE name = 'Lamp'");

        var held = await ShowAsync(account);
        var item = held.GetProperty("items")[0];
        Assert.Equal(("10.00", "30.00", "30.00"), (item.Raw("unitPrice"), item.Raw("lineTotal"), held.Raw("total")));
        await GiveUpAsync(account);
        Assert.Equal("37.50", (await ShowAsync(account)).Raw("total"));
        Assert.NotEqual(tag, await cart.CartTagAsync(account));
    }

    [Fact]
    public async Task While_Sales_is_down_a_checkout_can_be_given_up_and_its_order_is_refused_when_Sales_is_back()
    {
        var account = await NewCustomerAsync();
        await platform.StopAsync("sales");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await TryCheckOutAsync(account, ("Idempotency-Key", "down")));
        Assert.Equal(HttpStatusCode.Conflict, await ClearAsync(account));

        Assert.Equal(HttpStatusCode.NoContent, await GiveUpAsync(account));
        Assert.Equal(HttpStatusCode.NoContent, await ClearAsync(account));
        Assert.Equal(HttpStatusCode.Conflict, await TryCheckOutAsync(account, ("Idempotency-Key", "down")));
        platform.Restart("sales");
        await platform.QuietAsync();
        Assert.Equal(StatusCode.FailedPrecondition, await RefusalOfLateOrderAsync(account));
        Assert.Equal(0, await OrdersAsync(account));
    }

    [Fact]
    public async Task An_order_whose_answer_was_lost_is_cancelled_when_its_checkout_is_given_up()
    {
        await platform.StopAsync("warehouse");
        var account = await NewCustomerAsync();
        LoseAnswersTo("PlaceOrder");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await TryCheckOutAsync(account));
        Assert.Equal(1, await OrdersAsync(account));

        // The answer to GiveUpCheckout is lost too.
        LoseAnswersTo("GiveUpCheckout");
        Assert.Equal(HttpStatusCode.NoContent, await GiveUpAsync(account));
        platform.Restart("warehouse");
        await platform.QuietAsync();
        Assert.Equal(("Cancelled", 1), (await StatusAsync(await OrderOfAsync(account)), await ItemsAsync(account)));
    }

    [Fact]
    public async Task A_confirmation_after_a_checkout_is_given_up_leaves_the_cart_unchanged_and_the_order_is_cancelled_once()
    {
        var account = await NewCustomerAsync();
        await ConfirmWithoutTellingCartAsync(account);
        using var measured = new Measured(platform, "sales");
        platform.OnCall = (request, send) => IsCall(request, "GiveUpCheckout") ? throw Unreachable() : send();

        Assert.Equal(HttpStatusCode.NoContent, await GiveUpAsync(account));
        var order = await OrderOfAsync(account);
        await Eventually.TrueAsync(async () => await StatusAsync(order) is "Cancelled", "the confirmed order is cancelled");
        await DeliverAsync();
        Assert.Equal((1, 1.0), (await ItemsAsync(account), measured.Sum("sales.orders.cancelled")));
        Assert.Equal(0, await platform.QueryAsync<long>(
            "accountingdb", "SELECT count(*) FROM transactions WHERE order_id = $1 AND voided_at IS NULL", order));
    }

    [Fact]
    public async Task A_checkout_with_a_confirmed_order_cannot_be_given_up_even_before_Cart_handles_the_event()
    {
        var account = await NewCustomerAsync();
        await ConfirmWithoutTellingCartAsync(account);
        Assert.Equal(HttpStatusCode.Conflict, await GiveUpAsync(account));
        await DeliverAsync();
        Assert.Equal(0, await ItemsAsync(account));
        Assert.Equal(HttpStatusCode.Conflict, await GiveUpAsync(account));
        Assert.Equal("Confirmed", await StatusAsync(await OrderOfAsync(account)));
    }

    [Fact]
    public async Task Giving_up_without_a_checkout_is_not_found_and_only_the_owner_may_give_up()
    {
        var account = await NewCustomerAsync();
        Assert.Equal(HttpStatusCode.NotFound, await GiveUpAsync(account));
        var admin = await platform.CustomerTokenAsync(Accounts.Admin);
        var stranger = await cart.SendAsync("DELETE", Shop.CartOf(account.Id) + "/checkout", token: admin).ProblemAsync();
        Assert.Equal(HttpStatusCode.Forbidden, stranger.Status);
    }

    [Fact]
    public async Task A_checkout_that_never_reached_Sales_times_out_and_a_checkout_with_an_order_stays_open()
    {
        var (unanswered, placed) = (await NewCustomerAsync(), await NewCustomerAsync());
        await platform.StopAsync("warehouse");
        await CheckOutAsync(placed);
        await platform.StopAsync("sales");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await TryCheckOutAsync(unanswered));

        platform.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(HttpStatusCode.Conflict, await ClearAsync(unanswered));
        platform.Clock.Advance(TimeSpan.FromMinutes(2));
        await Eventually.TrueAsync(async () => await ClearAsync(unanswered) is HttpStatusCode.NoContent, "the cart can be changed again");
        Assert.Equal(HttpStatusCode.Conflict, await ClearAsync(placed));
        platform.Restart("sales");
        platform.Restart("warehouse");
        await platform.QuietAsync();
        Assert.Equal(StatusCode.FailedPrecondition, await RefusalOfLateOrderAsync(unanswered));
        Assert.Equal((0, 0), (await OrdersAsync(unanswered), await ItemsAsync(placed)));
    }

    [Fact]
    public async Task A_concurrent_checkout_and_give_up_leave_either_a_live_order_or_a_full_cart()
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => NewCustomerAsync()));
        await Task.WhenAll(accounts.SelectMany(account => new[]
        {
            TryCheckOutAsync(account),
            GiveUpAsync(account),
        }));
        await platform.QuietAsync();
        foreach (var account in accounts)
        {
            var live = await platform.QueryAsync<long>(
                "salesdb", "SELECT count(*) FROM orders WHERE customer_id = $1 AND status IN ('Pending', 'Confirmed')", account.Id);
            Assert.Equal(1, live + await ItemsAsync(account));
        }
    }

    private static bool IsCall(HttpRequestMessage request, string method) =>
        request.RequestUri!.AbsolutePath.EndsWith($"sales.v1.Orders/{method}", StringComparison.Ordinal);

    private static HttpRequestException Unreachable() =>
        new(HttpRequestError.ConnectionError, "Connection refused", new SocketException((int)SocketError.ConnectionRefused));

    private static async Task<HttpRequestException> LostAnswerAsync(Func<Task<HttpResponseMessage>> send)
    {
        using var answer = await send();
        await answer.Content.LoadIntoBufferAsync(TestContext.Current.CancellationToken);
        return Unreachable();
    }

    private void LoseAnswersTo(string method) =>
        platform.OnCall = async (request, send) => IsCall(request, method) ? throw await LostAnswerAsync(send) : await send();

    /// <summary>Delivers the events that were held back, and waits until all events are handled.</summary>
    private async Task DeliverAsync()
    {
        await platform.QueryAsync<object>("busdb", "UPDATE messages SET visible = now()");
        await platform.QuietAsync();
    }

    private async Task<Account> NewCustomerAsync(long productId = 1, int quantity = 1)
    {
        var account = await platform.RegisterAsync();
        await cart.AddItemAsync(account, productId, quantity);
        return account;
    }

    private async Task<long> CheckOutAsync(Account account) =>
        (await cart.SendAsync("POST", Checkout, token: account.AccessToken).JsonAsync(HttpStatusCode.Accepted))
            .GetProperty("orderId").GetInt64();

    private Task<HttpStatusCode> TryCheckOutAsync(Account account, params (string, string)[] headers) =>
        cart.SendAsync("POST", Checkout, token: account.AccessToken, headers: headers).StatusAsync();

    private Task<HttpStatusCode> GiveUpAsync(Account account) =>
        cart.SendAsync("DELETE", Checkout, token: account.AccessToken).StatusAsync();

    private Task<HttpStatusCode> ClearAsync(Account account) =>
        cart.SendAsync("DELETE", Shop.MyCart, token: account.AccessToken).StatusAsync();

    /// <summary>Lets Sales confirm an order whose answer to Cart was lost, and holds back every event for Cart.</summary>
    private async Task ConfirmWithoutTellingCartAsync(Account account)
    {
        LoseAnswersTo("PlaceOrder");
        await using (var hold = await platform.Db("busdb"))
        {
            await using var command = new Npgsql.NpgsqlCommand(
                """
                CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN NEW.visible := now() + interval '1 hour'; RETURN NEW; END $$;
                CREATE OR REPLACE TRIGGER hold BEFORE INSERT ON messages
                    FOR EACH ROW WHEN (NEW.recipient = 'cart') EXECUTE FUNCTION hold();
                """, hold);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        await TryCheckOutAsync(account);
        var order = await OrderOfAsync(account);
        await Eventually.TrueAsync(async () => await StatusAsync(order) is "Confirmed", "the order is confirmed");
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages WHERE recipient = 'cart'") == 1,
            "the event for Cart is held back");
        await platform.QueryAsync<object>("busdb", "DROP TRIGGER hold ON messages");
        platform.OnCall = null;
    }

    /// <summary>The status with which Sales now refuses an order of the cart's checkout.</summary>
    private async Task<StatusCode> RefusalOfLateOrderAsync(Account account)
    {
        var checkout = await platform.QueryAsync<Guid>("cartdb", "SELECT id FROM checkouts WHERE customer_id = $1", account.Id);
        var late = new PlaceOrderRequest
        {
            CheckoutId = checkout.ToString(),
            Lines = { new NewOrderLine { Sku = "SKU-1", Quantity = 1, UnitPriceCents = 9999 } },
        };
        var sales = new Orders.OrdersClient(platform.Grpc("sales"));
        return (await sales.PlaceOrderAsync(late, As($"Bearer {account.AccessToken}")).RefusalAsync()).Status;
    }

    private Task<JsonElement> ShowAsync(Account account) => cart.SendAsync("GET", Shop.MyCart, token: account.AccessToken).JsonAsync();

    private async Task<int> ItemsAsync(Account account) => (await ShowAsync(account)).GetProperty("items").GetArrayLength();

    private Task<string?> StatusAsync(long orderId) =>
        platform.QueryAsync<string>("salesdb", "SELECT status FROM orders WHERE id = $1", orderId);

    private Task<long> OrderOfAsync(Account account) =>
        platform.QueryAsync<long>("salesdb", "SELECT id FROM orders WHERE customer_id = $1", account.Id);

    private Task<long> OrdersAsync(Account account) =>
        platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders WHERE customer_id = $1", account.Id);
}
