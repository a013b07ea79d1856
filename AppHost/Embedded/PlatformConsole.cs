using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace MicroPlatform.AppHost;

/// <summary>Shows the lines of all processes, each marked with where it comes from, and one table of what runs.</summary>
internal sealed class PlatformConsole
{
    private static readonly string[] Colours = ["36", "32", "33", "35", "34", "96", "92", "93", "95", "94"];
    private readonly bool _inColour = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
    private readonly int _width = PlatformModel.Services.Max(service => service.Name.Length) + 3; // room for the number of a replica
    private readonly Dictionary<string, string> _colours = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    public void Write(string source, string line)
    {
        var name = source.PadRight(_width);
        lock (_gate)
        {
            if (!_colours.TryGetValue(source, out var colour))
            {
                colour = _colours[source] = Colours[_colours.Count % Colours.Length];
            }

            Console.WriteLine(_inColour ? $"\e[{colour}m{name}\e[0m {line}" : $"{name} {line}");
        }
    }

    public void WriteTable(EmbeddedPlatform platform)
    {
        string[][] rows =
        [
            ["service", "process", "version", "memory", "ready after", "addresses"],
            .. platform.Processes.Select(process => new[]
            {
                process.Name,
                process.ProcessId?.ToString(CultureInfo.InvariantCulture) ?? "",
                process.Version,
                Memory(process.ProcessId),
                string.Create(CultureInfo.InvariantCulture, $"{process.ReadyAfter.TotalSeconds:0.0} s"),
                string.Join("  ", process.Addresses),
            }),
        ];
        var table = new StringBuilder().AppendLine();
        foreach (var row in rows)
        {
            table.AppendLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(rows.Max(other => other[column].Length)))).TrimEnd());
        }

        table.AppendLine();
        table.AppendLine(CultureInfo.InvariantCulture, $"PostgreSQL from {platform.PostgresSource}; data in {platform.DataFolder}");
        table.AppendLine(CultureInfo.InvariantCulture, $"Ready in {platform.ReadyAfter.TotalSeconds:0.0} s: {platform.GatewayHttp} and {platform.GatewayHttps}. Ctrl-C stops it.");
        lock (_gate)
        {
            Console.WriteLine(table);
        }
    }

    private static string Memory(int? processId)
    {
        if (processId is null)
        {
            return "";
        }

        using var process = Process.GetProcessById(processId.Value);
        return string.Create(CultureInfo.InvariantCulture, $"{process.WorkingSet64 / 1_048_576.0:0} MB");
    }
}

/// <summary>A row of the table.</summary>
internal sealed record ProcessReport(string Name, IReadOnlyList<string> Addresses, int? ProcessId, string Version, TimeSpan ReadyAfter);
