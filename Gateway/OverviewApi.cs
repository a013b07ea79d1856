using System.Globalization;
using System.Net;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Warehouse.V1;
using Microsoft.AspNetCore.Http.HttpResults;

namespace MicroPlatform.Gateway;

/// <summary>
/// Views that combine several services: the board, the health of all services, and one order with the data of four services, queried in
/// parallel and complete as far as they answer.
/// </summary>
internal static class OverviewApi
{
    private const string Sales = "sales";
    private const string Accounting = "accounting";
    private const string Customers = "customers";
    private const string Warehouse = "warehouse";

    public static void AddOverview(this WebApplicationBuilder builder)
    {
        builder.AddRestClient(Sales);
        builder.AddRestClient(Accounting);
        builder.AddServiceClient<TokenValidation.TokenValidationClient>(Customers);
        builder.AddServiceClient<Inventory.InventoryClient>(Warehouse);
        builder.AddBoard();
        builder.AddHealthApi();
    }

    public static void MapOverviewApi(this IEndpointRouteBuilder app)
    {
        app.MapApi("/overview/orders/{id:long}", "Overview").RequireAuthorization(Policies.Staff)
            .MapGet("/", GetAsync)
            .WithSummary("Show an order with its items' names and stock, its transactions and its customer");
        app.MapBoardApi();
        app.MapHealthApi();
    }

    private static async Task<Ok<OrderOverview>> GetAsync(
        long id, HttpContext context, IHttpClientFactory http, Inventory.InventoryClient warehouse,
        TokenValidation.TokenValidationClient customers, ILogger<OrderOverview> logger)
    {
        var (token, cancel) = (Authentication.TokenOf(context.Request), context.RequestAborted);
        var unavailable = new List<string>();
        var order = await OrderAsync();
        var booking = TryAsync(
            Accounting,
            () => http.FetchAsync<Page<OverviewTransaction>>(
                Accounting, $"{Api.Prefix}/accounting/transactions?orderId={id}&limit={PageQuery.MaxLimit}", token, cancel));
        var stocking = TryAsync(Warehouse, () => ItemsAsync(warehouse, order, cancel));
        var buying = TryAsync(Customers, () => CustomerAsync(customers, order.CustomerId, cancel));
        await Task.WhenAll(booking, stocking, buying);
        var (items, transactions, customer) = (await stocking, await booking, await buying);
        unavailable.Sort(StringComparer.Ordinal);
        return TypedResults.Ok(new OrderOverview(order, items, transactions?.Items, customer, unavailable));

        async Task<OverviewOrder> OrderAsync()
        {
            try
            {
                return await http.FetchAsync<OverviewOrder>(Sales, $"{Api.Prefix}/sales/orders/{id}", token, cancel);
            }
            catch (HttpRequestException refused) when (refused.StatusCode == HttpStatusCode.NotFound)
            {
                throw ProblemException.NotFound("order", id);
            }
            catch (HttpRequestException refused) when (refused.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                throw new ProblemException((int)refused.StatusCode, "Sales does not accept the token.");
            }
            catch (Exception failure) when (failure.IsDown())
            {
                throw ProblemException.Unavailable("The sales service does not answer; try again shortly.");
            }
        }

        async Task<T?> TryAsync<T>(string service, Func<Task<T>> ask)
        {
            try
            {
                return await ask();
            }
            catch (Exception failure) when (failure.IsDown())
            {
                logger.LogWarning(
                    "The overview of order {Id} is without {Service}: {Reason}", id.ToString(CultureInfo.InvariantCulture), service,
                    failure.Message);
                lock (unavailable)
                {
                    unavailable.Add(service);
                }

                return default;
            }
        }
    }

    private static async Task<IReadOnlyList<OverviewItem>> ItemsAsync(
        Inventory.InventoryClient warehouse, OverviewOrder order, CancellationToken cancellationToken)
    {
        var wanted = new BatchGetItemsRequest();
        wanted.Ids.AddRange(order.Items.Where(line => line.ItemId is not null).Select(line => line.ItemId!.Value));
        wanted.Skus.AddRange(order.Items.Where(line => line.ItemId is null).Select(line => line.Sku));
        var found = await warehouse.BatchGetItemsAsync(wanted, cancellationToken: cancellationToken);
        return [.. found.Items.Select(item => new OverviewItem(item.Id, item.Sku, item.Name, item.Quantity, item.Reserved))];
    }

    private static async Task<OverviewCustomer?> CustomerAsync(
        TokenValidation.TokenValidationClient customers, long id, CancellationToken cancellationToken)
    {
        try
        {
            var customer = await customers.GetCustomerAsync(new() { Id = id }, cancellationToken: cancellationToken);
            return new(customer.Id, customer.Email);
        }
        catch (RpcException gone) when (gone.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}
