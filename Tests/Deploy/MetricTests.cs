using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Npgsql;
using YamlDotNet.RepresentationModel;

namespace MicroPlatform.Tests.Deploy;

/// <summary>Dashboards and alerts use metrics that exist, under their Prometheus names.</summary>
public sealed partial class MetricTests
{
    private static readonly string Root = FindRoot();
    private static readonly string Folder = Path.Combine(Root, "deploy", "observability");

    [Fact]
    public async Task Every_metric_in_the_dashboard_and_the_alerts_exists()
    {
        var made = await MadeAsync();
        var asked = Dashboard().Concat(Alerts()).SelectMany(Names).ToList();

        Assert.InRange(asked.Count, 20, 1000);
        Assert.Empty(asked.Except(made, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("""rate(sales_orders_place_total{service_name="sales"}[5m])""")] // misspelt
    [InlineData("""microplatform_messaging_lag_bucket{event="x"}""")] // without its unit
    [InlineData("""sum(sales_revenue{service_name="sales"})""")] // a counter without _total
    public async Task An_unknown_metric_is_detected(string query) =>
        Assert.NotEmpty(Names(query).Except(await MadeAsync(), StringComparer.Ordinal));

    private static List<string> Dashboard()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "dashboard.json")));
        return dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.TryGetProperty("targets", out _))
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray().Select(target => target.GetProperty("expr").GetString()!))
            .ToList();
    }

    private static IEnumerable<string> Alerts()
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(File.ReadAllText(Path.Combine(Folder, "alerts.yaml"))));
        return stream.Documents.Single().RootNode.AllNodes.OfType<YamlMappingNode>()
            .Where(rule => rule.Children.ContainsKey("alert")).Select(rule => rule.Children["expr"].ToString());
    }

    // Every query selects by label, so a brace follows each name.
    private static IEnumerable<string> Names(string query) => Selected().Matches(query).Select(match => match.Groups["name"].Value);

    private static async Task<HashSet<string>> MadeAsync()
    {
        var made = new HashSet<string>(StringComparer.Ordinal);
        void Add(string name, string? unit, string kind)
        {
            var plain = name.Replace('.', '_') + unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
            string[] names = kind.Contains("Histogram", StringComparison.Ordinal) ? [$"{plain}_bucket", $"{plain}_count", $"{plain}_sum"]
                : kind.Contains("Counter", StringComparison.Ordinal) && !kind.Contains("UpDown", StringComparison.Ordinal)
                ? [$"{plain}_total"]
                : [plain];
            // Other tests start services at the same time, and their instruments are published here too.
            lock (made)
            {
                made.UnionWith(names);
            }
        }

        // Our metrics, read from the source
        foreach (var file in Directory.EnumerateFiles(Root, "*.cs", SearchOption.AllDirectories).Where(file =>
            Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar)[0] is not ("artifacts" or "Tests" or "bench")))
        {
            foreach (Match match in Created().Matches(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)))
            {
                Add(match.Groups["name"].Value, match.Groups["unit"].Value, match.Groups["kind"].Value);
            }
        }

        // The metrics of .NET and Npgsql, as they are published
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) => Add(instrument.Name, instrument.Unit, instrument.GetType().Name),
        };
        listener.Start();
        var builder = WebApplication.CreateEmptyBuilder(new()); // the appsettings.json beside the tests belongs to a service
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        await app.StartAsync(TestContext.Current.CancellationToken);
        await using var database = NpgsqlDataSource.Create("Host=127.0.0.1");
        return made;
    }

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "MicroPlatform.sln")))
        {
            at = at.Parent!;
        }

        return at.FullName;
    }

    [GeneratedRegex("""\b(?<name>[a-z_][a-z0-9_]*)\{""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Selected();

    [GeneratedRegex(
        """\.Create(?<kind>\w+)(<\w+>)?\(\s*"(?<name>[a-z_.]+)"(,\s*[A-Z]\w*)?(,\s*(unit:\s*)?"(?<unit>[^"]*)")?""",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Created();
}
