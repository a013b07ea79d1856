using System.Net;
using MicroPlatform.Customers.Events;
using MicroPlatform.Tests.Customers;
using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Rebus.Bus;
using Rebus.Messages;

namespace MicroPlatform.Tests.Cart;

[Trait("Speed", "slow")]
public sealed class CustomerDeletedTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient cart = platform.Http("cart");
    private readonly HttpClient customers = platform.Http("customers");

    [Fact]
    [Trait("Covers", "N-14")]
    public async Task Deleting_a_customer_removes_the_cart_with_its_items_and_no_other_cart()
    {
        var (account, other) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        await cart.AddItemAsync(account, 1);
        await cart.AddItemAsync(other, 1);
        Assert.Equal(HttpStatusCode.NoContent, await customers.SendAsync("DELETE", Accounts.Me, token: account.AccessToken).StatusAsync());
        await Eventually.TrueAsync(async () => await CartsAsync(account.Id) == 0, "the cart is removed");
        Assert.Equal(0, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM cart_items WHERE customer_id = $1", account.Id));
        Assert.Equal(1, await CartsAsync(other.Id));
    }

    [Fact]
    [Trait("Covers", "N-14")]
    public async Task A_refused_deletion_of_a_customer_removes_no_cart()
    {
        var (account, marker) = (await platform.RegisterAsync(), await platform.RegisterAsync());
        await cart.AddItemAsync(account, 1);
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            await customers.SendAsync("DELETE", Accounts.Me, token: account.AccessToken, headers: ("If-Match", "\"1\"")).StatusAsync());
        // When this later event is handled and the queue is empty, an earlier event would have been handled too.
        await cart.AddItemAsync(marker, 1);
        await customers.SendAsync("DELETE", Accounts.Me, token: marker.AccessToken).StatusAsync();
        await Eventually.TrueAsync(async () => await CartsAsync(marker.Id) == 0, "the later event is handled");
        await QueueIsEmptyAsync();
        Assert.Equal(1, await CartsAsync(account.Id));
    }

    [Fact]
    [Trait("Covers", "N-14")]
    public async Task An_event_delivered_twice_is_handled_once()
    {
        var id = Random.Shared.NextInt64(1_000_000, long.MaxValue);
        var bus = platform.Services("customers").GetRequiredService<IBus>();
        var messageId = Guid.NewGuid().ToString();
        await DeliverAsync();
        await Eventually.TrueAsync(
            async () => await platform.QueryAsync<long>(
                "cartdb", "DELETE FROM deleted_customers WHERE customer_id = $1 RETURNING 1::bigint", id) == 1,
            "the event is handled");

        // A cart that only a second handling could remove.
        await platform.QueryAsync<long>("cartdb", "INSERT INTO carts (customer_id, created_at, updated_at) VALUES ($1, now(), now())", id);
        await DeliverAsync();
        await bus.Publish(new CustomerDeleted(id + 1));
        await Eventually.TrueAsync(
            async () =>
                await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM deleted_customers WHERE customer_id = $1", id + 1) == 1,
            "a later event is handled");
        await QueueIsEmptyAsync();
        Assert.Equal(1, await CartsAsync(id));
        Assert.Equal(1, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM inbox_messages WHERE message_id = $1", messageId));

        Task DeliverAsync() =>
            bus.Publish(
                new CustomerDeleted(id), new Dictionary<string, string>(StringComparer.Ordinal) { [Headers.MessageId] = messageId });
    }

    [Fact]
    [Trait("Covers", "N-14")]
    public async Task A_request_authenticated_before_the_deletion_opens_no_cart_after_it()
    {
        var account = await platform.RegisterAsync();
        await using var db = await platform.Db("cartdb");
        Task<HttpStatusCode> late;
        await using (var transaction = await db.BeginTransactionAsync(TestContext.Current.CancellationToken))
        {
            // The authenticated request waits for the table; the deletion arrives later and takes effect before it.
            await using (var command = new NpgsqlCommand("LOCK TABLE carts IN ACCESS EXCLUSIVE MODE", db))
            {
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            }

            late = cart.SendAsync("POST", Shop.MyItems, new { productId = 1, quantity = 1 }, account.AccessToken).StatusAsync();
            await WaitForBlockedAsync(1);
            await customers.SendAsync("DELETE", Accounts.Me, token: account.AccessToken).StatusAsync();
            await WaitForBlockedAsync(2);
        }

        Assert.Equal(HttpStatusCode.NotFound, await late);
        await Eventually.TrueAsync(
            async () =>
                await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM deleted_customers WHERE customer_id = $1", account.Id) == 1,
            "the event is handled");
        Assert.Equal(0, await CartsAsync(account.Id));
    }

    private Task<long> CartsAsync(long customerId) =>
        platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", customerId);

    private Task QueueIsEmptyAsync() => Eventually.TrueAsync(
        async () =>
            await platform.QueryAsync<long>("busdb", "SELECT count(*) FROM messages WHERE recipient = 'cart'") == 0, "the queue is empty");

    private Task WaitForBlockedAsync(int count) => Eventually.TrueAsync(
        async () => await platform.QueryAsync<long>(
            "cartdb", "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") >= count,
        $"{count} connections wait for the table of carts");

    /// <summary>A platform of its own, because the other tests of the class need Cart.</summary>
    [Trait("Speed", "slow")]
    public sealed class Outage(TestPlatform platform) : IClassFixture<TestPlatform>
    {
        [Fact]
        [Trait("Covers", "N-14")]
        public async Task The_cart_of_a_customer_deleted_while_Cart_was_down_is_removed_after_the_restart()
        {
            var account = await platform.RegisterAsync();
            using (var http = platform.Http("cart"))
            {
                await http.AddItemAsync(account, 1);
            }

            await platform.StopAsync("cart");
            using var customers = platform.Http("customers");
            Assert.Equal(
                HttpStatusCode.NoContent, await customers.SendAsync("DELETE", Accounts.Me, token: account.AccessToken).StatusAsync());
            Assert.Equal(1, await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", account.Id));
            platform.Restart("cart");
            await Eventually.TrueAsync(
                async () => await platform.QueryAsync<long>("cartdb", "SELECT count(*) FROM carts WHERE customer_id = $1", account.Id) == 0,
                "the cart is removed");
        }
    }
}
