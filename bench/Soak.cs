using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using MicroPlatform.AppHost.Operations;

namespace MicroPlatform.Bench;

/// <summary>Mixed traffic for minutes while a service is killed every 20 seconds: nothing acknowledged may be lost.</summary>
internal sealed class Soak(Platform platform, Account[] accounts, TimeSpan time)
{
    public const string Heading = "\n## Endurance";

    private const int Callers = 16;
    private static readonly TimeSpan BetweenKills = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan BetweenSamples = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterRefusal = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);
    private readonly ConcurrentDictionary<long, bool> _todos = [];
    private readonly ConcurrentDictionary<long, bool> _orders = [];
    private readonly ConcurrentDictionary<HttpStatusCode, int> _answers = [];
    private readonly ConcurrentDictionary<string, int> _kills = new(StringComparer.Ordinal);
    private readonly List<(double PssMiB, long Connections)> _samples = [];
    private readonly Data _data = new(platform);
    private int _unanswered;

    public static async Task RunAsync(Options options)
    {
        await Platform.BuildAsync(options);
        var folder = Directory.CreateTempSubdirectory("bench-data-").FullName;
        try
        {
            Measurement.Say("Starting the platform");
            await using var platform = await Platform.StartAsync(folder, options);
            var accounts = await Account.CreateAsync(platform.Address("gateway.http"), Callers);
            var soak = new Soak(platform, accounts, TimeSpan.FromMinutes(options.Minutes));
            await soak.RunAsync();
            await soak.ReportAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task RunAsync()
    {
        using var stop = new CancellationTokenSource(time);
        Measurement.Say(string.Create(CultureInfo.InvariantCulture, $"{Callers} callers for {time.TotalMinutes:0} minutes"));
        await Task.WhenAll([
            .. accounts.Select((account, number) =>
                Task.Run(() => CallAsync(account, number, stop.Token))), KillAsync(stop.Token), SampleAsync(stop.Token)]);
    }

    private async Task CallAsync(Account account, int number, CancellationToken stop)
    {
        using var client = new Client(platform.Address("gateway.http"), account, number);
        var random = new Random(number);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await (random.Next(6) switch
                {
                    0 => ReadAsync("products", token: null),
                    1 => ReadAsync("carts/me", account.Customer),
                    2 => ReadAsync("sales/orders", account.Customer),
                    3 => WriteAsync("todos", account.User, new { title = "Endure" }, _todos, "id"),
                    4 => WriteAsync("carts/me/items", account.Customer, new { productId = 1, quantity = 1 }),
                    _ => WriteAsync("carts/me/checkout", account.Customer, body: null, _orders, "orderId"),
                });
                _answers.AddOrUpdate(HttpStatusCode.OK, 1, (_, count) => count + 1);
            }
            catch (HttpRequestException refused)
            {
                if (refused.StatusCode is { } status)
                {
                    _answers.AddOrUpdate(status, 1, (_, count) => count + 1);
                }
                else
                {
                    Interlocked.Increment(ref _unanswered);
                }

                await Task.Delay(AfterRefusal, CancellationToken.None);
            }
        }

        Task<JsonElement> ReadAsync(string path, string? token) => client.JsonAsync(client.Rest(HttpMethod.Get, $"/api/v1/{path}", token));

        async Task WriteAsync(string path, string token, object? body, ConcurrentDictionary<long, bool>? acknowledged = null,
            string id = "")
        {
            var answer = await client.JsonAsync(client.Rest(HttpMethod.Post, $"/api/v1/{path}", token, body, Guid.NewGuid().ToString()));
            acknowledged?.TryAdd(answer.GetProperty(id).GetInt64(), true);
        }
    }

    private async Task KillAsync(CancellationToken stop)
    {
        while (await PauseAsync(BetweenKills, stop))
        {
            var service = Random.Shared.GetItems(Platform.Services, 1)[0];
            if (Processes.Find(Platform.ProgramOf(service)) is { } id)
            {
                Process.GetProcessById(id).Kill();
                _kills.AddOrUpdate(service, 1, (_, count) => count + 1);
                Measurement.Say($"Killed {service}");
            }
        }
    }

    private async Task SampleAsync(CancellationToken stop)
    {
        while (await PauseAsync(BetweenSamples, stop))
        {
            _samples.Add((platform.FindProcesses().PssMiB().Values.Sum(), await _data.ConnectionsAsync()));
        }
    }

    private static async Task<bool> PauseAsync(TimeSpan pause, CancellationToken stop)
    {
        await Task.Delay(pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stop.IsCancellationRequested;
    }

    private async Task ReportAsync()
    {
        Measurement.Say("Waiting until every order is settled");
        var violations = await SettleAsync();
        var lost = _todos.Keys.Except(await _data.IdsAsync("tododb", "todos")).Count()
            + _orders.Keys.Except(await _data.IdsAsync("salesdb", "orders")).Count();
        var answers = _answers.OrderBy(answer => answer.Key).Select(answer => $"{answer.Value} times {(int)answer.Key}");
        var kills = string.Join(", ", _kills.Select(kill => $"{kill.Key} {kill.Value}"));
        var text = string.Create(CultureInfo.InvariantCulture, $"""
            {Heading}

            {time.TotalMinutes:0} minutes, {Callers} callers, {_kills.Values.Sum()} kills ({kills}).

            | | |
            |---|---|
            | answers | {string.Join(", ", answers)}; {_unanswered} without one |
            | acknowledged writes | {_todos.Count} to-dos, {_orders.Count} orders |
            | of them lost | {lost} |
            | broken invariants | {violations.Count} |
            | PSS of all, MiB, every 30 s | {string.Join(", ", _samples.Select(sample => Math.Round(sample.PssMiB)))} |
            | connections, every 30 s | {string.Join(", ", _samples.Select(sample => sample.Connections))} |

            """);
        Console.WriteLine(text);
        var file = Path.Combine(Platform.Root, "bench", "RESULTS.md");
        var results = File.Exists(file) ? (await File.ReadAllTextAsync(file)).Split(Heading)[0] : "";
        await File.WriteAllTextAsync(file, results + text);
        var faults = _answers.Where(answer => answer.Key >= HttpStatusCode.InternalServerError
            && answer.Key != HttpStatusCode.ServiceUnavailable).Sum(answer => answer.Value);
        if (lost > 0 || violations.Count > 0 || faults > 0)
        {
            throw new BenchException($"{lost} acknowledged writes are lost, {faults} answers were faults. {string.Join(' ', violations)}");
        }
    }

    private async Task<IReadOnlyList<string>> SettleAsync()
    {
        for (var since = Stopwatch.StartNew(); ;)
        {
            var violations = await Invariants.FindViolationsAsync(platform.ConnectionString);
            if (violations.Count == 0 || since.Elapsed > Timeout)
            {
                return violations;
            }

            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }
}
