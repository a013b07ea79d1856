using Grpc.Core;
using MicroPlatform.Sales.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using Microsoft.AspNetCore.Authorization;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Sales;

/// <summary>Orders that customers place themselves. The token of the call identifies the customer.</summary>
[Authorize(Policies.Customer)]
internal sealed class OrdersGrpcService(SalesDbContext db, EventBus<SalesDbContext> events, SalesTelemetry telemetry, TimeProvider time)
    : Orders.OrdersBase
{
    public override async Task<V1.Order> PlaceOrder(PlaceOrderRequest request, ServerCallContext context)
    {
        var checkoutId = Validate(request);
        var customerId = context.GetHttpContext().User.Id();
        var placed = await FindPlacedAsync(checkoutId, context.CancellationToken);
        if (placed is null)
        {
            try
            {
                return Of(await events.CommitAsync(
                    (happened, token) => StoreAsync(request, checkoutId, customerId, happened, token), context.CancellationToken));
            }
            catch (DbUpdateException failure) when (failure.Violates(SalesDbContext.CheckoutIndex))
            {
                // A concurrent call for the same checkout committed first.
                db.ChangeTracker.Clear();
                placed = await FindPlacedAsync(checkoutId, context.CancellationToken);
            }
        }

        // Prices are not compared: a repeated checkout keeps the prices of the first call.
        return placed!.CustomerId == customerId
            && placed.Lines.OrderBy(l => l.Line).Select(l => (l.Sku, l.Quantity))
                .SequenceEqual(request.Lines.Select(l => (l.Sku, l.Quantity)))
                ? Of(placed)
                : throw ProblemException.Unprocessable("This checkout ordered other goods before; take a new checkout_id for a new order.");
    }

    public override async Task<GiveUpCheckoutResponse> GiveUpCheckout(GiveUpCheckoutRequest request, ServerCallContext context)
    {
        if (!Guid.TryParse(request.CheckoutId, out var checkoutId))
        {
            throw ProblemException.Invalid("checkout_id", "Send a UUID.");
        }

        var customerId = context.GetHttpContext().User.Id();
        return await events.CommitAsync(
            async (happened, token) =>
            {
                var order = await db.GiveUpCheckoutAsync(checkoutId, time.GetUtcNow(), token);
                if (order?.Status == OrderStatus.Confirmed || (order is not null && order.CustomerId != customerId))
                {
                    throw ProblemException.Conflict("The order of this checkout is confirmed, or another customer's.");
                }

                if (order?.Status == OrderStatus.Pending && order.Cancel(time.GetUtcNow()))
                {
                    await db.SaveChangesAsync(token);
                    db.OnCommitted(() => telemetry.Cancelled.Add(1));
                    happened.Add(order.ToCancelled());
                }

                return new GiveUpCheckoutResponse();
            },
            context.CancellationToken);
    }

    [Reads]
    public override async Task<V1.Order> GetOrder(GetOrderRequest request, ServerCallContext context)
    {
        var customerId = context.GetHttpContext().User.Id();
        return Of(await db.Orders.AsNoTracking().Include(o => o.Lines)
                .SingleOrDefaultAsync(o => o.Id == request.Id && o.CustomerId == customerId, context.CancellationToken)
            ?? throw ProblemException.NotFound("order", request.Id));
    }

    private async Task<Order> StoreAsync(
        PlaceOrderRequest request, Guid checkoutId, long customerId, ICollection<object> happened, CancellationToken cancellationToken)
    {
        await db.LockCheckoutAsync(checkoutId, cancellationToken);
        if (await db.GivenUpCheckouts.AnyAsync(c => c.CheckoutId == checkoutId, cancellationToken))
        {
            throw ProblemException.Conflict("This checkout was given up; take a new checkout_id for a new order.");
        }

        var order = new Order { CustomerId = customerId, Date = time.GetUtcNow(), CheckoutId = checkoutId };
        foreach (var line in request.Lines)
        {
            order.Add(line.Sku, itemId: null, line.Quantity, line.UnitPriceCents / 100m);
        }

        order.RequireTotal("lines");
        db.Add(order);
        await db.SaveChangesAsync(cancellationToken);
        db.OnCommitted(() => telemetry.Placed.Add(1));
        happened.Add(order.ToPlaced());
        return order;
    }

    private Task<Order?> FindPlacedAsync(Guid checkoutId, CancellationToken cancellationToken) =>
        db.Orders.AsNoTracking().Include(o => o.Lines).SingleOrDefaultAsync(o => o.CheckoutId == checkoutId, cancellationToken);

    private static Guid Validate(PlaceOrderRequest request)
    {
        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        Check($"checkout_id", Guid.TryParse(request.CheckoutId, out var checkoutId), "Send a UUID.");
        Check($"lines", request.Lines.Count is > 0 and <= Order.MaxLines, $"An order has 1 to {Order.MaxLines} lines.");
        foreach (var (i, line) in request.Lines.Index())
        {
            Check($"lines[{i}].sku", line.Sku.EnumerateRunes().Count() is > 0 and <= 64, "Send a SKU of 1 to 64 characters.");
            Check(
                $"lines[{i}].quantity", line.Quantity is > 0 and <= CreateOrderItem.MaxQuantity,
                $"Order 1 to {CreateOrderItem.MaxQuantity} pieces.");
            Check(
                $"lines[{i}].unit_price_cents",
                line.UnitPriceCents is >= 0 and <= Prices.MaxCents,
                $"The price must be 0 to {Prices.MaxCents} hundredths.");
        }

        if (errors.Count > 0)
        {
            throw ProblemException.Invalid(errors);
        }

        return checkoutId;

        void Check(FormattableString field, bool isGood, string message)
        {
            if (!isGood)
            {
                errors[FormattableString.Invariant(field)] = [message];
            }
        }
    }

    private static V1.Order Of(Order order) => new()
    {
        Id = order.Id,
        CustomerId = order.CustomerId,
        Status = order.Status switch
        {
            OrderStatus.Pending => V1.OrderStatus.Pending,
            OrderStatus.Confirmed => V1.OrderStatus.Confirmed,
            OrderStatus.Rejected => V1.OrderStatus.Rejected,
            _ => V1.OrderStatus.Cancelled,
        },
        Reason = order.Reason ?? "",
        PlacedAt = order.Date.ToProto(),
        TotalCents = order.Lines.Sum(line => line.Quantity * Cents(line.UnitPrice)),
        Lines =
        {
            order.Lines.OrderBy(line => line.Line).Select(line => new V1.OrderLine
            {
                Sku = line.Sku,
                Quantity = line.Quantity,
                UnitPriceCents = Cents(line.UnitPrice),
                ItemId = line.ItemId ?? 0,
            }),
        },
    };

    private static long Cents(decimal money) => (long)(money * 100);
}
