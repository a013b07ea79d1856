using System.ComponentModel;
using System.Globalization;
using System.Security.Claims;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse.V1;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Sales;

/// <summary>Orders: read by staff and by the customers they are for, written by staff.</summary>
internal static class OrdersApi
{
    public static void AddOrders(this WebApplicationBuilder builder)
    {
        builder.AddInternalGrpc();
        builder.AddDeadLetters<SalesDbContext>();
        builder.Services.AddOrderPolicies();
        builder.Services.AddSingleton<SalesTelemetry>();
        builder.AddServiceClient<TokenValidation.TokenValidationClient>("customers");
        builder.AddServiceClient<Inventory.InventoryClient>("warehouse");
    }

    public static void MapOrdersApi(this IEndpointRouteBuilder app)
    {
        var read = app.MapApi("/sales/orders", "Orders").RequireAuthorization(OrderPolicies.Reader);
        read.MapGet("/", ListAsync).WithSummary("List orders; a customer gets only their own");
        read.MapGet("/{id:long}", GetAsync).WithSummary("Show an order with its status changes");

        var write = app.MapApi("/sales/orders", "Orders").RequireAuthorization(Policies.Staff);
        write.MapPost("/", CreateAsync).WithIdempotency<SalesDbContext>().WithSummary("Place an order for a customer");
        var one = write.MapGroup("/{id:long}");
        one.MapPut("/", UpdateAsync).WithSummary("Assign an order to another customer");
        one.MapDelete("/", CancelAsync).WithSummary("Cancel an order; it stays readable");
    }

    private static async Task<Ok<Page<OrderResponse>>> ListAsync(
        [AsParameters] PageQuery page, [AsParameters] OrderFilter filter, ClaimsPrincipal caller, HttpRequest request, SalesDbContext db,
        CancellationToken cancellationToken)
    {
        // Model binding also accepts numbers, and combines several names into a value that the caller did not send.
        if (filter.Status is not null
            && !Enum.GetNames<OrderStatus>().Contains(request.Query["status"].ToString(), StringComparer.Ordinal))
        {
            throw ProblemException.Invalid("status", $"Send one of {string.Join(", ", Enum.GetNames<OrderStatus>())}.");
        }

        var orders = db.Orders.AsNoTracking().VisibleTo(caller);
        if (filter.CustomerId is { } customer)
        {
            orders = orders.Where(o => o.CustomerId == customer);
        }

        if (filter.Status is { } wanted)
        {
            orders = orders.Where(o => o.Status == wanted);
        }

        return TypedResults.Ok(await orders.ToPageAsync(page, o => o.Id, OrderResponse.FromOrder, o => o.Id, cancellationToken));
    }

    private static async Task<Ok<OrderResponse>> GetAsync(
        long id, ClaimsPrincipal caller, SalesDbContext db, CancellationToken cancellationToken) =>
        TypedResults.Ok(await db.Orders.AsNoTracking().VisibleTo(caller).Where(o => o.Id == id).Select(OrderResponse.FromOrder)
                .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("order", id));

    private static async Task<Created<OrderResponse>> CreateAsync(
        CreateOrderRequest request, [AsParameters] OrderServices services, TokenValidation.TokenValidationClient customers,
        Inventory.InventoryClient inventory, CancellationToken cancellationToken)
    {
        var (db, events, telemetry, time) = services;
        var lines = request.Items!;
        var known = RequireCustomerAsync(customers, request.CustomerId!.Value, cancellationToken);
        var lookup = inventory.BatchGetItemsAsync(
            new() { Ids = { lines.Select(line => line.ItemId!.Value) } }, cancellationToken: cancellationToken).ResponseAsync;
        await Task.WhenAll(known, lookup);
        var found = (await lookup).Items.ToDictionary(item => item.Id);
        string[] problem = ["The warehouse has no such item."];
        var unknown = lines.Index().Where(line => !found.ContainsKey(line.Item.ItemId!.Value)).ToDictionary(
            line => string.Create(CultureInfo.InvariantCulture, $"items[{line.Index}].itemId"), _ => problem, StringComparer.Ordinal);
        if (unknown.Count > 0)
        {
            throw ProblemException.Invalid(unknown);
        }

        var order = await events.CommitAsync(async (happened, token) =>
        {
            var order = new Order { CustomerId = request.CustomerId.Value, Date = time.GetUtcNow() };
            foreach (var line in lines)
            {
                var item = found[line.ItemId!.Value];
                order.Add(item.Sku, item.Id, line.Quantity!.Value, line.UnitPrice ?? item.PriceCents / 100m);
            }

            order.RequireTotal("items");
            db.Add(order);
            await db.SaveChangesAsync(token);
            db.OnCommitted(() => telemetry.Placed.Add(1));
            happened.Add(order.ToPlaced());
            return order;
        }, cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/sales/orders/{order.Id}", OrderResponse.Of(order));
    }

    private static async Task<Ok<OrderResponse>> UpdateAsync(
        long id, UpdateOrderRequest request, SalesDbContext db, TokenValidation.TokenValidationClient customers,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        await RequireCustomerAsync(customers, request.CustomerId!.Value, cancellationToken);
        return TypedResults.Ok(await db.InTransactionAsync(async token =>
        {
            var order = await db.LockOrderAsync(id, preconditions, token);
            order.CustomerId = request.CustomerId.Value;
            await db.SaveChangesAsync(token);
            return OrderResponse.Of(order);
        }, cancellationToken));
    }

    private static async Task<NoContent> CancelAsync(
        long id, [AsParameters] OrderServices services, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var (db, events, telemetry, time) = services;
        return await events.CommitAsync(async (happened, token) =>
        {
            var order = await db.LockOrderAsync(id, preconditions, token);
            if (order.Cancel(time.GetUtcNow()))
            {
                await db.SaveChangesAsync(token);
                db.OnCommitted(() => telemetry.Cancelled.Add(1));
                happened.Add(order.ToCancelled());
            }

            return TypedResults.NoContent();
        }, cancellationToken);
    }

    private static async Task RequireCustomerAsync(
        TokenValidation.TokenValidationClient customers, long id, CancellationToken cancellationToken)
    {
        try
        {
            await customers.GetCustomerAsync(new() { Id = id }, cancellationToken: cancellationToken);
        }
        catch (RpcException failure) when (failure.StatusCode == StatusCode.NotFound)
        {
            throw ProblemException.Invalid("customerId", "There is no such customer.");
        }
    }
}

/// <summary>The filters of a list of orders.</summary>
internal sealed record OrderFilter
{
    [FromQuery(Name = "customerId"), Description("Only those of this customer.")]
    public long? CustomerId { get; init; }

    [FromQuery(Name = "status"), Description("Only those with this status.")]
    public OrderStatus? Status { get; init; }
}

/// <summary>What a handler needs to change an order and to publish the change.</summary>
internal readonly record struct OrderServices(
    SalesDbContext Db, EventBus<SalesDbContext> Events, SalesTelemetry Telemetry, TimeProvider Time);
