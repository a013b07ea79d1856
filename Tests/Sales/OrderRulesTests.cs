using System.Net;
using CsCheck;
using MicroPlatform.Sales;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Sales;

public sealed class OrderRulesTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void An_order_is_confirmed_or_rejected_at_most_once_and_stays_cancelled_whatever_the_sequence_of_events() =>
        Gen.Int[0, 2].Array[0, 8].Sample(events =>
        {
            var order = new Order { CustomerId = 1, Date = Now };
            var expected = OrderStatus.Pending;
            foreach (var (what, at) in events.Select((what, i) => (what, Now.AddSeconds(i))))
            {
                switch (what)
                {
                    case 0:
                        Assert.Equal(expected == OrderStatus.Pending, order.Confirm([], at));
                        expected = expected == OrderStatus.Pending ? OrderStatus.Confirmed : expected;
                        break;
                    case 1:
                        Assert.Equal(expected == OrderStatus.Pending, order.Reject("why", at));
                        expected = expected == OrderStatus.Pending ? OrderStatus.Rejected : expected;
                        break;
                    case 2 when expected == OrderStatus.Rejected:
                        Assert.Equal((int)HttpStatusCode.Conflict, Assert.Throws<ProblemException>(() => order.Cancel(at)).Status);
                        break;
                    default:
                        Assert.Equal(expected != OrderStatus.Cancelled, order.Cancel(at));
                        expected = OrderStatus.Cancelled;
                        break;
                }

                Assert.Equal(expected, order.Status);
                Assert.Equal(expected == OrderStatus.Rejected, order.Reason is not null);
            }

            // The steps agree with the status, and their times ascend.
            var steps = OrderResponse.Of(order).Steps;
            Assert.Equal((OrderStatus.Pending, expected), (steps[0].Status, steps[^1].Status));
            Assert.Equal(steps.Select(step => step.At).Order(), steps.Select(step => step.At));
        });

    [Fact]
    [Trait("Covers", "N-27")]
    public void The_total_is_exact_for_any_lines()
    {
        var line = Gen.Select(Gen.Int[1, 100_000], Gen.Long[0, 99_999_999]);
        line.Array[1, 100].Sample(lines =>
        {
            var order = new Order { CustomerId = 1, Date = Now };
            foreach (var (quantity, cents) in lines)
            {
                order.Add("s", itemId: null, quantity, cents / 100m);
            }

            var total = lines.Sum(l => l.Item1 * l.Item2);
            Assert.Equal(total, OrderResponse.Of(order).Total * 100);
            if (total is 0 or > 999_999_999_999)
            {
                Assert.Equal((int)HttpStatusCode.BadRequest, Assert.Throws<ProblemException>(() => order.RequireTotal("items")).Status);
            }
            else
            {
                order.RequireTotal("items");
            }
        });
    }

    [Theory]
    [InlineData("UPDATE orders SET status = 'Sent' WHERE id = 1", "ck_orders_status")]
    [InlineData("UPDATE orders SET status = 'Pending' WHERE id = 1", "ck_orders_status")]
    [InlineData("UPDATE orders SET status = 'Cancelled' WHERE id = 1", "ck_orders_status")]
    [InlineData("UPDATE orders SET confirmed_at = NULL WHERE id = 1", "ck_orders_status")]
    [InlineData("UPDATE orders SET rejected_at = now() WHERE id = 1", "ck_orders_status")]
    [InlineData("UPDATE orders SET reason = 'why' WHERE id = 1", "ck_orders_reason")]
    [InlineData("UPDATE order_lines SET quantity = 0 WHERE order_id = 1", "ck_order_lines_quantity")]
    [InlineData("UPDATE order_lines SET unit_price = -0.01 WHERE order_id = 1", "ck_order_lines_unit_price")]
    [InlineData(
        "INSERT INTO order_lines (order_id, line, sku, quantity, unit_price) VALUES (999999, 0, 's', 1, 1)",
        "fk_order_lines_orders_order_id")]
    [InlineData("INSERT INTO order_lines (order_id, line, sku, quantity, unit_price) VALUES (1, 0, 's', 1, 1)", "pk_order_lines")]
    [InlineData("UPDATE sold_items SET quantity = -1", "ck_sold_items_quantity")]
    public async Task A_database_constraint_refuses_invalid_data(string sql, string constraint)
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(() => platform.QueryAsync<object>("salesdb", sql));
        Assert.Equal(constraint, failure.ConstraintName);
    }
}
