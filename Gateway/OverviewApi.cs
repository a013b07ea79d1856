using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Grpc.Core;
using MicroPlatform.Customers.V1;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Warehouse.V1;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Http.Resilience;
using Polly;

namespace MicroPlatform.Gateway;

/// <summary>What no service alone can tell: one order as four of them see it, gathered at once and whole as far as they answer.</summary>
internal static class OverviewApi
{
    private const string Sales = "sales";
    private const string Accounting = "accounting";
    private const string Customers = "customers";
    private const string Warehouse = "warehouse";

    // The services may tell more than is shown here.
    private static readonly JsonSerializerOptions Reading =
        new(Json.Apply(new(JsonSerializerDefaults.Web))) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip };

    public static void AddOverview(this WebApplicationBuilder builder)
    {
        foreach (var service in new[] { Sales, Accounting })
        {
            builder.Services.AddHttpClient(service, client => client.BaseAddress = new($"http://{service}"))
                .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(1) })
                .AddStandardResilienceHandler(options =>
                {
                    options.AttemptTimeout.Timeout = GrpcDefaults.Deadline;
                    options.TotalRequestTimeout.Timeout = 2 * GrpcDefaults.Deadline;
                    // At once: service discovery offers another replica.
                    options.Retry.BackoffType = DelayBackoffType.Constant;
                    options.Retry.Delay = TimeSpan.Zero;
                    options.Retry.MaxRetryAttempts = 2;
                    options.Retry.DisableForUnsafeHttpMethods();
                });
        }

        builder.AddServiceClient<TokenValidation.TokenValidationClient>(Customers, "customers.v1.TokenValidation/GetCustomer");
        builder.AddServiceClient<Inventory.InventoryClient>(Warehouse, "warehouse.v1.Inventory/BatchGetItems");
    }

    public static void MapOverviewApi(this IEndpointRouteBuilder app) =>
        app.MapApi("/overview/orders/{id:long}", "Overview").RequirePolicy(Policies.Staff)
            .MapGet("/", GetAsync)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .WithSummary("Show an order with its items' names and stock, its transactions and its customer");

    private static async Task<Ok<OrderOverview>> GetAsync(
        long id, HttpContext context, IHttpClientFactory http, Inventory.InventoryClient warehouse, TokenValidation.TokenValidationClient customers, ILogger<OrderOverview> logger)
    {
        var cancel = context.RequestAborted;
        var unavailable = new List<string>();
        var ordering = FetchAsync<OverviewOrder>(Sales, $"{Api.Prefix}/sales/orders/{id}");
        var booking = TryAsync(Accounting, () => FetchAsync<Page<OverviewTransaction>>(Accounting, $"{Api.Prefix}/accounting/transactions?orderId={id}&limit={PageQuery.MaxLimit}"));
        var order = await OrderAsync();
        var stocking = TryAsync(Warehouse, () => ItemsAsync(warehouse, order, cancel));
        var buying = TryAsync(Customers, () => CustomerAsync(customers, order.CustomerId, cancel));
        var (items, transactions, customer) = (await stocking, await booking, await buying);
        unavailable.Sort(StringComparer.Ordinal);
        return TypedResults.Ok(new OrderOverview(order, items, transactions?.Items, customer, unavailable));

        async Task<T> FetchAsync<T>(string service, string path)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Authentication.TokenOf(context.Request));
            using var client = http.CreateClient(service);
            using var response = await client.SendAsync(request, cancel);
            return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<T>(Reading, cancel))!;
        }

        async Task<OverviewOrder> OrderAsync()
        {
            try
            {
                return await ordering;
            }
            catch (HttpRequestException refused) when (refused.StatusCode == HttpStatusCode.NotFound)
            {
                throw ProblemException.NotFound("order", id);
            }
            catch (HttpRequestException refused) when (refused.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                throw new ProblemException((int)refused.StatusCode, "Sales does not accept the token.");
            }
            catch (Exception failure) when (IsDown(failure))
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
            catch (Exception failure) when (IsDown(failure))
            {
                logger.LogWarning("The overview of order {Id} is without {Service}: {Reason}", id.ToString(CultureInfo.InvariantCulture), service, failure.Message);
                lock (unavailable)
                {
                    unavailable.Add(service);
                }

                return default;
            }
        }
    }

    private static async Task<IReadOnlyList<OverviewItem>> ItemsAsync(Inventory.InventoryClient warehouse, OverviewOrder order, CancellationToken cancellationToken)
    {
        var wanted = new BatchGetItemsRequest();
        wanted.Ids.AddRange(order.Items.Where(line => line.ItemId is not null).Select(line => line.ItemId!.Value));
        wanted.Skus.AddRange(order.Items.Where(line => line.ItemId is null).Select(line => line.Sku));
        var found = await warehouse.BatchGetItemsAsync(wanted, cancellationToken: cancellationToken);
        return [.. found.Items.Select(item => new OverviewItem(item.Id, item.Sku, item.Name, item.Quantity, item.Reserved))];
    }

    private static async Task<OverviewCustomer?> CustomerAsync(TokenValidation.TokenValidationClient customers, long id, CancellationToken cancellationToken)
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

    /// <summary>Refused, silent for too long, or broken: to the caller it is all the same.</summary>
    private static bool IsDown(Exception failure) => failure is HttpRequestException or ExecutionRejectedException or RpcException { StatusCode: not StatusCode.Cancelled };
}
