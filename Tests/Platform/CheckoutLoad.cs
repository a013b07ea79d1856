using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>
/// Customers who check out one order after the other. After 5xx or a broken connection they send the request again with the same key.
/// Every fourth order has a product that the warehouse does not have.
/// </summary>
internal sealed class CheckoutLoad : IAsyncDisposable
{
    private const int Products = 4;
    private static readonly TimeSpan BeforeRetry = TimeSpan.FromMilliseconds(50);

    private readonly HttpClient http;
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<string, long> orders = new(StringComparer.Ordinal);
    private List<Task> clients = [];

    private CheckoutLoad(HttpClient gateway) => http = gateway;

    /// <summary>The order of every checkout that was acknowledged, by its key.</summary>
    public IReadOnlyDictionary<string, long> Orders => orders;

    /// <summary>The customers.</summary>
    public List<long> Customers { get; } = [];

    /// <summary>Starts the load, with enough stock for all orders.</summary>
    public static async Task<CheckoutLoad> StartAsync(HttpClient gateway, int customers)
    {
        var load = new CheckoutLoad(gateway);
        var staff = await load.LoginAsync("/api/v1/users/login", new { username = "clerk", password = TestPlatform.Password });
        for (var item = 1; item < Products; item++)
        {
            await load.PersistAsync(
                "POST", $"/api/v1/warehouse/items/{item}/stock-adjustments", new { delta = 10_000, reason = "Delivery" }, staff,
                HttpStatusCode.Created);
        }

        for (var i = 0; i < customers; i++)
        {
            var (id, token) = await load.RegisterAsync();
            load.Customers.Add(id);
            var first = i;
            load.clients.Add(Task.Run(() => load.BuyAsync(token, first)));
        }

        return load;
    }

    /// <summary>Waits until this many further checkouts have been acknowledged.</summary>
    public async Task AcknowledgesAsync(int more)
    {
        var wanted = orders.Count + more;
        await Eventually.TrueAsync(
            () => Task.FromResult(orders.Count >= wanted || clients.Exists(client => client.IsCompleted)),
            $"{more} more checkouts are acknowledged", seconds: 300);
        await Task.WhenAll(clients.Where(client => client.IsCompleted));
    }

    /// <summary>Lets every customer finish the current order.</summary>
    public async Task StopAsync()
    {
        await stopping.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(TimeSpan.FromMinutes(5), TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        http.Dispose(); // cancels open requests
        stopping.Dispose();
    }

    /// <summary>A new customer with an empty cart.</summary>
    public async Task<(long Id, string Token)> RegisterAsync()
    {
        var email = $"{Guid.NewGuid():N}@example.com";
        var id = (await PersistAsync(
            "POST", "/api/v1/customers", new { email, password = TestPlatform.Password }, null,
            HttpStatusCode.Created)).GetProperty("id").GetInt64();
        var token = await LoginAsync("/api/v1/auth/login", new { email, password = TestPlatform.Password });
        await PersistAsync("GET", "/api/v1/carts/me", null, token, HttpStatusCode.OK);
        return (id, token);
    }

    /// <summary>Empties the cart, as soon as the previous order is decided, and puts one piece of a product into it.</summary>
    public async Task FillAsync(string token, long product)
    {
        await PersistAsync("DELETE", "/api/v1/carts/me", null, token, HttpStatusCode.NoContent, retryOn: HttpStatusCode.Conflict);
        await PersistAsync("POST", "/api/v1/carts/me/items", new { productId = product, quantity = 1 }, token, HttpStatusCode.Created);
    }

    /// <summary>Checks out and returns the order's id.</summary>
    public async Task<long> CheckOutAsync(string token, string key) =>
        (await PersistAsync("POST", "/api/v1/carts/me/checkout", null, token, HttpStatusCode.Accepted, key)).GetProperty("orderId")
            .GetInt64();

    private async Task BuyAsync(string token, int round)
    {
        for (; !stopping.IsCancellationRequested; round++)
        {
            await FillAsync(token, 1 + (round % Products));
            var key = Guid.NewGuid().ToString();
            // Some customers check out twice at once.
            var answers = await Task.WhenAll(Enumerable.Range(0, 1 + (round % 2)).Select(_ => CheckOutAsync(token, key)));
            orders[key] = Assert.Single(answers.Distinct());
        }
    }

    private async Task<string> LoginAsync(string path, object credentials) =>
        (await PersistAsync("POST", path, credentials, null, HttpStatusCode.OK)).GetProperty("accessToken").GetString()!;

    private async Task<JsonElement> PersistAsync(
        string method, string path, object? body, string? token, HttpStatusCode expected, string? key =
            null, HttpStatusCode? retryOn = null)
    {
        key ??= Guid.NewGuid().ToString();
        while (true)
        {
            try
            {
                using var response = await http.SendAsync(method, path, body, token, ("Idempotency-Key", key));
                var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
                if (response.StatusCode == expected)
                {
                    return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
                }

                Assert.True(
                    (int)response.StatusCode >= 500 || response.StatusCode == retryOn,
                    $"{method} {path} gave {(int)response.StatusCode}: {text}");
            }
            catch (HttpRequestException)
            {
                // The connection broke. The request may have been served, so it is sent again with the same key.
            }

            await Task.Delay(BeforeRetry, TestContext.Current.CancellationToken);
        }
    }
}
