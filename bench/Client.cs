using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text.Json;

namespace MicroPlatform.Bench;

/// <summary>One caller, with connections of its own.</summary>
internal sealed class Client : IDisposable
{
    private readonly HttpMessageInvoker _http;

    public Client(Uri address, Account account, int number)
    {
        (Address, Account, Number) = (address, account, number);
        var handler = new SocketsHttpHandler { UseCookies = false };
#pragma warning disable CA5359, MA0039 // the development certificate, on this machine
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, _, _, errors) => errors is not SslPolicyErrors.RemoteCertificateNotAvailable;
#pragma warning restore CA5359, MA0039
        _http = new(handler);
    }

    public Uri Address { get; }

    public Account Account { get; }

    public int Number { get; }

    /// <summary>How many requests it has sent.</summary>
    public int Sent { get; private set; }

    /// <summary>Sends the request and reads the whole answer.</summary>
    /// <returns>Whether it was answered with success.</returns>
    public async Task<bool> SendAsync(HttpRequestMessage request)
    {
        using var owned = request;
        using var response = await _http.SendAsync(request, CancellationToken.None);
        await response.Content.CopyToAsync(Stream.Null);
        Sent++;
        // A refused call has its status in the header, an answered call has it in the trailer.
        return response.IsSuccessStatusCode && !response.Headers.Contains("grpc-status")
            && (!response.TrailingHeaders.TryGetValues("grpc-status", out var status) || status.Single() is "0");
    }

    /// <summary>A request over REST.</summary>
    public HttpRequestMessage Rest(HttpMethod method, string path, string? token = null, object? body = null, string? key = null)
    {
        var content = body is null ? null : JsonContent.Create(body, body.GetType());
        var request = new HttpRequestMessage(method, new Uri(Address, path)) { Content = content };
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return request;
    }

    /// <summary>A unary call whose message is at most 127 bytes.</summary>
    public HttpRequestMessage Grpc(string method, string? token, ReadOnlySpan<byte> message)
    {
        var content = new ByteArrayContent([0, 0, 0, 0, (byte)message.Length, .. message])
        {
            Headers = { ContentType = new("application/grpc") },
        };
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, method))
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new("trailers"));
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return request;
    }

    /// <summary>Sends the request and reads its answer as JSON.</summary>
    /// <exception cref="HttpRequestException">It was refused or not answered.</exception>
    public async Task<JsonElement> JsonAsync(HttpRequestMessage request)
    {
        using var owned = request;
        using var response = await _http.SendAsync(request, CancellationToken.None);
        response.EnsureSuccessStatusCode();
        var text = await response.Content.ReadAsStringAsync();
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>The accounts of a client: a customer of its own, and two users that all clients share.</summary>
/// <param name="Email">The customer's address.</param>
/// <param name="Customer">The customer's token.</param>
/// <param name="User">Alice's token, who keeps the to-dos.</param>
/// <param name="Staff">The clerk's token.</param>
internal sealed record Account(string Email, string Customer, string User, string Staff)
{
    public const string Password = "testPass123";

    /// <summary>Registers customers and signs them in.</summary>
    public static async Task<Account[]> CreateAsync(Uri gateway, int count)
    {
        using var client = new Client(gateway, new("", "", "", ""), 0);
        var user = await LoginAsync("users/login", new { username = "alice", password = Password });
        var staff = await LoginAsync("users/login", new { username = "clerk", password = Password });
        var accounts = new Account[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, _) =>
        {
            var account = new { email = $"{Guid.NewGuid():N}@example.com", password = Password };
            await client.JsonAsync(client.Rest(HttpMethod.Post, "/api/v1/customers", body: account));
            accounts[number] = new(account.email, await LoginAsync("auth/login", account), user, staff);
        });
        return accounts;

        async Task<string> LoginAsync(string path, object credentials) =>
            (await client.JsonAsync(client.Rest(HttpMethod.Post, $"/api/v1/{path}", body: credentials))).GetProperty("accessToken")
                .GetString()!;
    }
}
