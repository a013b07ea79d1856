using System.Globalization;
using System.Text;

namespace MicroPlatform.Bench;

/// <summary>The result of a flow over one path with a number of clients.</summary>
internal sealed record Row(Flow Flow, string Via, int Clients, Load Load, double Statements, double Bytes);

/// <summary>Collects the figures and writes them.</summary>
internal sealed class Report(Options options)
{
    private const int RatioClients = 16;
    private const string Gateway = "Gateway";
    private readonly List<(string When, double Seconds)> _ready = [];
    private readonly List<(string When, Dictionary<string, double> MiB)> _memory = [];
    private readonly List<(string Name, string When, Load Load)> _pages = [];
    private readonly List<Row> _rows = [];
    private readonly Dictionary<int, Dictionary<string, Load>> _references = [];
    private readonly string _loadBefore = Bench.Machine.LoadAverage();
    private Dictionary<string, double> _idle = [];

    public string Machine { get; set; } = "";

    public double SignatureMicroseconds { get; set; }

    public long Connections { get; set; }

    public double Minutes { get; set; }

    public Checkouts? Checkouts { get; set; }

    public void Ready(string when, double seconds) => _ready.Add((when, seconds));

    public void Memory(string when, Dictionary<string, double> mib) => _memory.Add((when, mib));

    public void Idle(Dictionary<string, double> percent) => _idle = percent;

    public void Page(string name, string when, Load load) => _pages.Add((name, when, load));

    public void Add(Row row) => _rows.Add(row);

    public void References(int clients, Dictionary<string, Load> found) => _references[clients] = found;

    /// <summary>Writes the results to the console and to a file, and keeps the results of soak runs in the file.</summary>
    public async Task WriteAsync(string file)
    {
        var text = Text();
        Console.WriteLine(text);
        var soak = File.Exists(file) ? (await File.ReadAllTextAsync(file)).Split(Soak.Heading, 2) : [];
        await File.WriteAllTextAsync(file, text + (soak.Length == 2 ? Soak.Heading + soak[1] : ""));
    }

    private string Text()
    {
        var text = new StringBuilder();
        Line($"# Results");
        Line($"");
        Line(
            $"{Machine}. Release build, telemetry {(options.Telemetry ? "to the dashboard" : "not exported")}, {options.Rows} rows more "
                + $"in each list, {options.Seconds} s a figure; the run took {Minutes:0.0} minutes, and the load average before it was "
                + $"{_loadBefore}.");
        Line($"CPU is in microseconds of one core for a request; README.md says how each figure is taken. The ratios are the result.");
        Line($"");
        Ratios(Line);
        Line($"## Flows");
        Line($"");
        const string what = "| flow | via | clients | /s | p50 ms | p99 ms ";
        const string cost = "| Gateway µs | service µs | others µs | PostgreSQL µs | all µs | statements | KiB allocated | failed |";
        Line($"{what}{cost}");
        Line($"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (var row in _rows)
        {
            var (gateway, service, others, postgres) = Split(row);
            Line(
                $"| {row.Flow.Name} | {row.Via} | {row.Clients} | {row.Load.PerSecond:0} | {row.Load.P50:0.0} | {row.Load.P99:0.0} | "
                    + $"{gateway:0} | {service:0} | {others:0} | {postgres:0} | {row.Load.TotalMicroseconds:0} | {row.Statements:0.0} | "
                    + $"{row.Bytes / 1024:0.0} | {row.Load.Failed} |");
        }

        if (Checkouts is { } checkouts)
        {
            Line($"");
            Line($"## Checkout to the posted transaction");
            Line($"");
            Line(
                $"{checkouts.Accepted} checkouts, {Bench.Checkouts.PerSecond} a second: the request p50 {At(checkouts.Request, 0.5):0} "
                    + $"ms, p99 {At(checkouts.Request, 0.99):0} ms; until posted p50 {At(checkouts.Posted, 0.5):0} ms, p99 "
                    + $"{At(checkouts.Posted, 0.99):0} ms.");
            Line(
                $"CPU of one checkout with all that follows, its refilled cart included: "
                    + $"{checkouts.CpuMicroseconds.Values.Sum() / 1000:0.0} ms ("
                    + string.Join(", ", checkouts.CpuMicroseconds.OrderByDescending(process => process.Value)
                        .Select(process => $"{process.Key} {Number(process.Value / 1000, "0.0")}")) + ").");
        }

        Line($"");
        Line($"## References");
        Line($"");
        Line($"| reference | clients | /s | p50 ms | p99 ms | server µs | proxy µs | PostgreSQL µs |");
        Line($"|---|---|---|---|---|---|---|---|");
        foreach (var (clients, found) in _references)
        {
            foreach (var (name, load) in found)
            {
                Line(
                    $"| {name} | {clients} | {load.PerSecond:0} | {load.P50:0.00} | "
                        + $"{(double.IsNaN(load.P99) ? "" : Number(load.P99, "0.00"))} | "
                        + $"{load.CpuMicroseconds.GetValueOrDefault("bare-server"):0} | "
                        + $"{load.CpuMicroseconds.GetValueOrDefault("bare-proxy"):0} | {load.CpuMicroseconds[Processes.Postgres]:0} |");
            }
        }

        Line($"");
        Line($"One check of a token's signature: {SignatureMicroseconds:0} µs.");
        PageCosts(Line);
        Line($"");
        Line($"## At rest, memory, start");
        Line($"");
        Line($"| | {string.Join(" | ", _idle.Keys)} | all |");
        Line($"|---|{string.Concat(Enumerable.Repeat("---|", _idle.Count + 1))}");
        Line(
            $"| idle, % of a core | {string.Join(" | ", _idle.Values.Select(percent => Number(percent, "0.0")))} | "
                + $"{_idle.Values.Sum():0.0} |");
        foreach (var (when, mib) in _memory)
        {
            Line($"| PSS {when}, MiB | {string.Join(" | ", mib.Values.Select(size => Number(size, "0")))} | {mib.Values.Sum():0} |");
        }

        Line($"");
        Line(
            $"Connections to PostgreSQL after load: {Connections}. Ready: "
                + $"{string.Join("; ", _ready.Select(start => $"{start.When} {Number(start.Seconds, "0.0")} s"))}.");
        return text.ToString();

        void Line(string line) => text.Append(line).Append('\n');
    }

    private void Ratios(Action<string> line)
    {
        if (_references.GetValueOrDefault(RatioClients) is not { } bare)
        {
            return;
        }

        line($"## Ratios, {RatioClients} clients");
        line($"");
        line($"| what | figure | at most |");
        line($"|---|---|---|");
        foreach (var (flow, most) in new[] { ("todo", 1.6), ("products", 1.6), ("warehouse", 1.6), ("customer", 1.6), ("cart", 3) })
        {
            if (Find(flow, "direct") is { } row)
            {
                var sql = bare[$"bare endpoint, SQL of {flow}"].TotalMicroseconds;
                line($"| {flow}, all CPU, to the bare endpoint with the same SQL | {row.Load.TotalMicroseconds / sql:0.00} | {most:0.0} |");
            }
        }

        var hop = bare["bare YARP hop to the SQL of todo"].CpuMicroseconds["bare-proxy"];
        foreach (var row in _rows.Where(row =>
            row is { Via: Gateway, Clients: RatioClients, Flow.IsGrpc: false } && row.Flow.Name is not "login"))
        {
            line(
                $"| Gateway for {row.Flow.Name}, less a signature check, to a bare YARP hop | "
                    + $"{(row.Load.CpuMicroseconds[Gateway] - (row.Flow.Name is "products" ? 0 : SignatureMicroseconds)) / hop:0.00} | "
                    + "1.5 |");
        }

        if (Find("todo", "direct") is { } rest && Find("todo-grpc", "direct") is { } grpc)
        {
            line(
                $"| to-do over gRPC to the same over REST, direct | {grpc.Load.TotalMicroseconds / rest.Load.TotalMicroseconds:0.00} | "
                    + "1.0 |");
        }

        line($"| idle, % of a core | {_idle.Values.Sum():0.0} | 2 |");
        var services = _memory[^1].MiB.Where(service => service.Key is not Processes.Postgres);
        line($"| PSS of the largest service after load, MiB | {services.Max(service => service.Value):0} | 80 |");
        line($"| ready, s | {_ready.Max(start => start.Seconds):0.0} | 15 |");
        line($"");

        Row? Find(string flow, string via) => _rows.Find(row =>
            row.Clients == RatioClients && string.Equals(row.Flow.Name, flow, StringComparison.Ordinal)
                && string.Equals(row.Via, via, StringComparison.Ordinal));
    }

    private void PageCosts(Action<string> line)
    {
        if (_pages.Count == 0)
        {
            return;
        }

        var times = _pages.Select(page => page.When).Distinct(StringComparer.Ordinal).ToList();
        line($"");
        line($"## Pages of one row, direct, one client");
        line($"");
        line($"| page | {string.Join(" | ", times.Select(when => $"all µs, {when}"))} | ratio |");
        line($"|---|{string.Concat(Enumerable.Repeat("---|", times.Count + 1))}");
        foreach (var page in _pages.GroupBy(page => page.Name, page => page.Load.TotalMicroseconds, StringComparer.Ordinal))
        {
            line($"| {page.Key} | {string.Join(" | ", page.Select(cost => Number(cost, "0")))} | {page.Last() / page.First():0.00} |");
        }
    }

    private static (double Gateway, double Service, double Others, double Postgres) Split(Row row)
    {
        var cpu = row.Load.CpuMicroseconds;
        var (gateway, service, postgres) = (cpu[Gateway], cpu[row.Flow.Service], cpu[Processes.Postgres]);
        return (gateway, service, row.Load.TotalMicroseconds - gateway - service - postgres, postgres);
    }

    private static double At(double[] sorted, double share) => sorted[(int)((sorted.Length - 1) * share)];

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
