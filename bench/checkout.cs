// Drives checkouts at a steady rate through a running platform's Gateway and says how long they take.
//
//   dotnet run --project AppHost                      # in one terminal
//   dotnet run bench/checkout.cs -- --seconds 30      # in another
//
// Options: --url http://localhost:8080  --rate 20 (checkouts a second)  --seconds 30  --warm-up 15 (seconds at that rate before those that count)
//          --customers 80  --idle 20 (seconds of idling to measure, 0 for none)
// On Linux it also measures the processes of the services and of PostgreSQL, found by their names: run one platform at a time.
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Threading.Channels;

var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
var rate = int.Parse(options.GetValueOrDefault("--rate", "20"), CultureInfo.InvariantCulture);
var seconds = int.Parse(options.GetValueOrDefault("--seconds", "30"), CultureInfo.InvariantCulture);
var warmUp = int.Parse(options.GetValueOrDefault("--warm-up", "15"), CultureInfo.InvariantCulture);
var idle = int.Parse(options.GetValueOrDefault("--idle", "20"), CultureInfo.InvariantCulture);
using var http = new HttpClient { BaseAddress = new Uri(options.GetValueOrDefault("--url", "http://localhost:8080")) };
var processes = Processes();

// Goods for everybody, and customers with a full cart.
var staff = await LoginAsync("users/login", new { username = "clerk", password = "testPass123" });
await SendAsync(HttpMethod.Post, "warehouse/items/1/stock-adjustments", staff, new { delta = (rate * (seconds + warmUp)) + 1000, reason = "Benchmark" });
var ready = Channel.CreateUnbounded<string>();
var customers = int.Parse(options.GetValueOrDefault("--customers", "80"), CultureInfo.InvariantCulture);
Console.WriteLine($"Preparing {customers} customers");
await Parallel.ForAsync(0, customers, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (_, cancellationToken) =>
{
    var account = new { email = $"{Guid.NewGuid():N}@example.com", password = "testPass123" };
    await SendAsync(HttpMethod.Post, "customers", token: null, account);
    var token = await LoginAsync("auth/login", account);
    await SendAsync(HttpMethod.Post, "carts/me/items", token, new { productId = 1, quantity = 1 });
    await ready.Writer.WriteAsync(token, cancellationToken);
});

if (idle > 0 && processes.Count > 0)
{
    Console.WriteLine($"Idling for {idle} s");
    await Task.Delay(TimeSpan.FromSeconds(5));
    var (before, since) = (CpuTimes(), Stopwatch.StartNew());
    await Task.Delay(TimeSpan.FromSeconds(idle));
    var used = CpuTimes().ToDictionary(cpu => cpu.Key, cpu => 100 * (cpu.Value - before.GetValueOrDefault(cpu.Key)) / since.Elapsed.TotalSeconds, StringComparer.Ordinal);
    Console.WriteLine($"Idle: {used.Values.Sum():0.0} % of a core in all: {string.Join(", ", used.Select(cpu => string.Create(CultureInfo.InvariantCulture, $"{cpu.Key} {cpu.Value:0.0}")))}");
}

// What the books show, and when it first showed there: looked at 20 times a second, page by page.
var accepted = new ConcurrentDictionary<long, long>();
var booked = new ConcurrentDictionary<long, long>();
var checkouts = new ConcurrentBag<double>();
var refused = new ConcurrentBag<string>();
using var watching = new CancellationTokenSource();
string? cursor = null;
while (await ReadBooksAsync())
{
}

var watch = Task.Run(async () =>
{
    while (!watching.IsCancellationRequested)
    {
        if (!await ReadBooksAsync())
        {
            await Task.Delay(50);
        }
    }
});

Console.WriteLine($"Warming up for {warmUp} s");
await DriveAsync(warmUp);
accepted.Clear();
checkouts.Clear();
refused.Clear();
Console.WriteLine($"Checking out {rate} times a second for {seconds} s (load average {(File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown")})");
var (start, cpuBefore) = (Stopwatch.StartNew(), CpuTimes());
await DriveAsync(seconds);
var took = start.Elapsed;
var cpu = CpuTimes().Sum(now => now.Value - cpuBefore.GetValueOrDefault(now.Key));
for (var patience = Stopwatch.StartNew(); !accepted.Keys.All(booked.ContainsKey) && patience.Elapsed < TimeSpan.FromSeconds(60);)
{
    await Task.Delay(100);
}

await watching.CancelAsync();
await watch;
var posted = accepted.Where(order => booked.ContainsKey(order.Key)).Select(order => Stopwatch.GetElapsedTime(order.Value, booked[order.Key]).TotalMilliseconds).ToList();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{accepted.Count} accepted in {took.TotalSeconds:0.0} s ({accepted.Count / took.TotalSeconds:0.0} a second), {posted.Count} posted, {refused.Count} refused{(processes.Count > 0 ? $"; {100 * cpu / took.TotalSeconds:0} % of a core" : "")}"));
Report("checkout request", checkouts);
Report("accepted to posted", posted);
foreach (var reason in refused.CountBy(text => text))
{
    Console.WriteLine($"{reason.Value} refused: {reason.Key}");
}

return posted.Count == accepted.Count && refused.IsEmpty ? 0 : 1;

// Returns when the last of them is accepted and its cart full again.
async Task DriveAsync(int forSeconds)
{
    var (since, running) = (Stopwatch.StartNew(), new List<Task>());
    using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / rate));
    while (since.Elapsed < TimeSpan.FromSeconds(forSeconds) && await tick.WaitForNextTickAsync())
    {
        running.Add(CheckOutAsync(await ready.Reader.ReadAsync()));
    }

    await Task.WhenAll(running);
}

async Task CheckOutAsync(string token)
{
    var (sent, key) = (Stopwatch.GetTimestamp(), Guid.NewGuid().ToString());
    // Sent again under its key until it is known what became of it.
    var order = await PersistAsync(HttpMethod.Post, "carts/me/checkout", token, key, refused.Add);
    checkouts.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
    accepted[order.GetProperty("orderId").GetInt64()] = Stopwatch.GetTimestamp();
    // The cart is free again as soon as its order is decided.
    await PersistAsync(HttpMethod.Post, "carts/me/items", token, Guid.NewGuid().ToString(), _ => { }, new { productId = 1, quantity = 1 });
    await ready.Writer.WriteAsync(token);
}

async Task<JsonElement> PersistAsync(HttpMethod method, string path, string token, string key, Action<string> onFailure, object? body = null)
{
    while (true)
    {
        try
        {
            return await SendAsync(method, path, token, body, key);
        }
        catch (HttpRequestException failure)
        {
            onFailure(failure.Message);
            await Task.Delay(500);
        }
    }
}

async Task<bool> ReadBooksAsync()
{
    var page = await SendAsync(HttpMethod.Get, $"accounting/transactions?limit=200&cursor={cursor}", staff);
    foreach (var transaction in page.GetProperty("items").EnumerateArray())
    {
        booked.TryAdd(transaction.GetProperty("orderId").GetInt64(), Stopwatch.GetTimestamp());
    }

    if (page.GetProperty("nextCursor").GetString() is not { } next)
    {
        return false;
    }

    cursor = next;
    return true;
}

async Task<string> LoginAsync(string path, object credentials) => (await SendAsync(HttpMethod.Post, path, token: null, credentials)).GetProperty("accessToken").GetString()!;

async Task<JsonElement> SendAsync(HttpMethod method, string path, string? token, object? body = null, string? key = null)
{
    using var request = new HttpRequestMessage(method, $"/api/v1/{path}") { Content = body is null ? null : JsonContent.Create(body, body.GetType()) };
    request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
    if (key is not null)
    {
        request.Headers.Add("Idempotency-Key", key);
    }

    using var response = await http.SendAsync(request);
    response.EnsureSuccessStatusCode();
    return JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
}

static void Report(string what, IEnumerable<double> milliseconds)
{
    var sorted = milliseconds.Order().ToArray();
    if (sorted.Length > 0)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what,-20} p50 {sorted[sorted.Length / 2],7:0} ms   p99 {sorted[(int)(sorted.Length * 0.99)],7:0} ms   max {sorted[^1],7:0} ms"));
    }
}

static Dictionary<string, int[]> Processes()
{
    string[] names = ["Accounting", "Cart", "Customers", "Gateway", "Sales", "Todo", "Users", "Warehouse", "postgres"];
    return !OperatingSystem.IsLinux() ? [] : names
        .Select(name => (name, ids: Process.GetProcessesByName(name).Select(process => process.Id).ToArray()))
        .Where(found => found.ids.Length > 0)
        .ToDictionary(found => found.name.ToLowerInvariant(), found => found.ids, StringComparer.Ordinal);
}

// Seconds of processor time, of the server's own processes too: time of those that have ended counts with their parent's.
Dictionary<string, double> CpuTimes()
{
    if (processes.Count == 0)
    {
        return [];
    }

    var stats = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, CultureInfo.InvariantCulture, out _))
        .Select(name => File.Exists($"/proc/{name}/stat") ? TryRead($"/proc/{name}/stat") : null).OfType<string>()
        .Select(line => (Id: int.Parse(line[..line.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture), Fields: line[(line.LastIndexOf(')') + 2)..].Split(' ')))
        .ToList();
    return processes.ToDictionary(
        service => service.Key,
        service => stats.Where(stat => service.Value.Contains(stat.Id) || service.Value.Contains(int.Parse(stat.Fields[1], CultureInfo.InvariantCulture)))
            .Sum(stat => stat.Fields[11..15].Take(service.Value.Contains(stat.Id) ? 4 : 2).Sum(ticks => double.Parse(ticks, CultureInfo.InvariantCulture)) / 100),
        StringComparer.Ordinal);
}

static string? TryRead(string file)
{
    try
    {
        return File.ReadAllText(file);
    }
    catch (IOException)
    {
        return null; // ended meanwhile
    }
}
