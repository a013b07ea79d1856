using Grpc.Core;
using MicroPlatform.Sales.V1;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Sales;

public sealed class OrdersGrpcTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly Orders.OrdersClient orders = new(platform.Grpc("sales"));

    [Fact]
    public async Task A_placed_order_is_pending_and_has_the_customer_of_the_token_and_the_given_prices()
    {
        var placed = await PlaceAsync(Request(("SKU-1", 2, 9999), ("SKU-UNKNOWN", 1, 5), ("SKU-1", 1, 1)));
        Assert.Equal((3, OrderStatus.Pending, 20004), (placed.CustomerId, placed.Status, placed.TotalCents));
        Assert.Equal(
            [("SKU-1", 2, 9999, 0), ("SKU-UNKNOWN", 1, 5, 0), ("SKU-1", 1, 1, 0)],
            placed.Lines.Select(l => (l.Sku, l.Quantity, l.UnitPriceCents, l.ItemId)));
        Assert.Equal(platform.Clock.GetUtcNow(), placed.PlacedAt.ToDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        Assert.Equal((placed.Id, placed.TotalCents), await GetAsync(placed.Id, "nonadmin3@email.com"));

        var read = await platform.Http("sales")
            .SendAsync("GET", $"/api/v1/sales/orders/{placed.Id}", token: await platform.CustomerTokenAsync("nonadmin3@email.com"))
            .JsonAsync();
        Assert.Equal("200.04", read.GetProperty("total").GetRawText());
    }

    [Fact]
    public async Task A_product_at_the_maximum_price_can_be_ordered() =>
        Assert.Equal(499_999_995, (await PlaceAsync(Request(("SKU-1", 5, 99_999_999)))).TotalCents);

    [Fact]
    public async Task Repeated_and_concurrent_requests_for_one_checkout_make_one_order()
    {
        var request = Request(("SKU-1", 2, 9999));
        var placed = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => PlaceAsync(request)));
        var id = Assert.Single(placed.Select(order => order.Id).Distinct());
        Assert.Equal(
            1,
            await platform.QueryAsync<long>(
                "salesdb", "SELECT count(*) FROM orders WHERE checkout_id = $1", Guid.Parse(request.CheckoutId)));

        // A later call returns the same order, at the price of the first call.
        var again = request.Clone();
        again.Lines[0].UnitPriceCents = 1;
        Assert.Equal((id, 9999), ((await PlaceAsync(again)).Id, (await PlaceAsync(again)).Lines[0].UnitPriceCents));
    }

    [Fact]
    public async Task A_checkout_id_reused_for_other_goods_or_by_another_customer_is_refused()
    {
        var request = Request(("SKU-1", 2, 9999));
        await PlaceAsync(request);
        await RefusedAsync(StatusCode.FailedPrecondition, request, "nonadmin4@email.com");
        var more = request.Clone();
        more.Lines[0].Quantity = 3;
        await RefusedAsync(StatusCode.FailedPrecondition, more);
        var other = request.Clone();
        other.Lines[0].Sku = "SKU-2";
        await RefusedAsync(StatusCode.FailedPrecondition, other);
        var longer = request.Clone();
        longer.Lines.Add(new NewOrderLine { Sku = "SKU-2", Quantity = 1 });
        await RefusedAsync(StatusCode.FailedPrecondition, longer);
    }

    [Fact]
    [Trait("Covers", "N-23")]
    public async Task An_invalid_order_is_refused_with_the_field_named_and_stores_nothing()
    {
        var before = await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders");
        var good = Request(("SKU-1", 1, 100));
        await FieldAsync("checkout_id", request => request.CheckoutId = "");
        await FieldAsync("checkout_id", request => request.CheckoutId = "cart-7");
        await FieldAsync("lines", request => request.Lines.Clear());
        await FieldAsync("lines", request => request.Lines.Add(Enumerable.Repeat(request.Lines[0], 100)));
        await FieldAsync("lines", request => request.Lines[0].UnitPriceCents = 0);
        await FieldAsync("lines", request => (request.Lines[0].Quantity, request.Lines[0].UnitPriceCents) = (100_000, 99_999_999));
        await FieldAsync("lines[0].sku", request => request.Lines[0].Sku = "");
        await FieldAsync("lines[0].sku", request => request.Lines[0].Sku = new('x', 65));
        await FieldAsync("lines[0].quantity", request => request.Lines[0].Quantity = 0);
        await FieldAsync("lines[0].quantity", request => request.Lines[0].Quantity = 100_001);
        await FieldAsync("lines[0].unit_price_cents", request => request.Lines[0].UnitPriceCents = -1);
        await FieldAsync("lines[0].unit_price_cents", request => request.Lines[0].UnitPriceCents = 100_000_000);
        await FieldAsync("sku", request => request.Lines[0].Sku = "a\0b");
        Assert.Equal(before, await platform.QueryAsync<long>("salesdb", "SELECT count(*) FROM orders"));

        async Task FieldAsync(string field, Action<PlaceOrderRequest> spoil)
        {
            var request = good.Clone();
            spoil(request);
            var refused = await RefusedAsync(StatusCode.InvalidArgument, request);
            Assert.Equal(field, Assert.Single(refused.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations).Field);
        }
    }

    [Fact]
    public async Task An_order_of_a_given_up_checkout_is_refused_afterwards_and_cancelled_if_placed_before()
    {
        var (late, early) = (Request(("SKU-1", 1, 100)), Request(("SKU-1", 1, 100)));
        await GiveUpAsync(late);
        await GiveUpAsync(late);
        await RefusedAsync(StatusCode.FailedPrecondition, late);

        Assert.Equal(OrderStatus.Pending, (await PlaceAsync(early)).Status);
        var stranger = await Assert.ThrowsAsync<RpcException>(() => GiveUpAsync(early, "nonadmin4@email.com"));
        Assert.Equal(StatusCode.FailedPrecondition, stranger.StatusCode);
        await GiveUpAsync(early);
        Assert.Equal(OrderStatus.Cancelled, (await PlaceAsync(early)).Status);
        var malformed = await Assert.ThrowsAsync<RpcException>(() => GiveUpAsync(new() { CheckoutId = "cart-7" }));
        Assert.Equal(StatusCode.InvalidArgument, malformed.StatusCode);
    }

    [Fact]
    public async Task Placing_and_giving_up_a_checkout_concurrently_leaves_no_live_order()
    {
        var request = Request(("SKU-1", 1, 100));
        await using var holder = await platform.Db("salesdb");
        await using var transaction = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using var hold = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", holder, transaction);
        hold.Parameters.Add(new() { Value = request.CheckoutId });
        await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var (placing, givingUp) = (PlaceAsync(request), GiveUpAsync(request));
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>("salesdb", """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                """) == 2, "both wait for the lock");
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        await givingUp;
        var refusal = await Record.ExceptionAsync(() => placing);
        Assert.True(refusal is null or RpcException { StatusCode: StatusCode.FailedPrecondition }, refusal?.ToString());
        Assert.Equal(0, await platform.QueryAsync<long>(
            "salesdb", "SELECT count(*) FROM orders WHERE checkout_id = $1 AND status <> 'Cancelled'", Guid.Parse(request.CheckoutId)));
    }

    [Fact]
    public async Task A_customer_gets_only_their_own_orders()
    {
        var placed = await PlaceAsync(Request(("SKU-1", 1, 100)));
        Assert.Equal(
            StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(() => GetAsync(placed.Id, "nonadmin4@email.com"))).StatusCode);
        Assert.Equal(
            StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(() => GetAsync(999_999, "nonadmin3@email.com"))).StatusCode);
    }

    [Fact]
    [Trait("Covers", "N-03")]
    public async Task Placing_and_reading_orders_need_a_customers_token()
    {
        var anonymous = await Assert.ThrowsAsync<RpcException>(async () =>
            await orders.PlaceOrderAsync(Request(("SKU-1", 1, 100)), cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.Unauthenticated, anonymous.StatusCode);
        var staff = new Metadata { { "authorization", $"Bearer {await platform.UserTokenAsync("clerk")}" } };
        var refused = await Assert.ThrowsAsync<RpcException>(async () =>
            await orders.GetOrderAsync(new() { Id = 1 }, staff, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
    }

    private static PlaceOrderRequest Request(params (string Sku, int Quantity, long Cents)[] lines) => new()
    {
        CheckoutId = Guid.NewGuid().ToString(),
        Lines = { lines.Select(line => new NewOrderLine { Sku = line.Sku, Quantity = line.Quantity, UnitPriceCents = line.Cents }) },
    };

    private async Task<Order> PlaceAsync(PlaceOrderRequest request, string email = "nonadmin3@email.com") =>
        await orders.PlaceOrderAsync(request, await HeadersAsync(email), cancellationToken: TestContext.Current.CancellationToken);

    private async Task GiveUpAsync(PlaceOrderRequest request, string email = "nonadmin3@email.com") =>
        await orders.GiveUpCheckoutAsync(
            new() { CheckoutId = request.CheckoutId }, await HeadersAsync(email), cancellationToken: TestContext.Current.CancellationToken);

    private async Task<(long Id, long TotalCents)> GetAsync(long id, string email)
    {
        var order = await orders.GetOrderAsync(
            new() { Id = id }, await HeadersAsync(email), cancellationToken: TestContext.Current.CancellationToken);
        return (order.Id, order.TotalCents);
    }

    private async Task<RpcException> RefusedAsync(StatusCode status, PlaceOrderRequest request, string email = "nonadmin3@email.com")
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => PlaceAsync(request, email));
        Assert.Equal(status, refused.StatusCode);
        return refused;
    }

    private async Task<Metadata> HeadersAsync(string email) =>
        new() { { "authorization", $"Bearer {await platform.CustomerTokenAsync(email)}" } };
}
