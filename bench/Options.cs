using System.Globalization;

namespace MicroPlatform.Bench;

/// <summary>What is measured, and for how long.</summary>
internal sealed record Options
{
    /// <summary>Names of the flows to measure; all when empty.</summary>
    public string[] Flows { get; init; } = [];

    /// <summary>Seconds that each figure is measured, 1 to 60.</summary>
    public int Seconds { get; init; } = 3;

    /// <summary>How many clients ask at once, one round after the other.</summary>
    public int[] Clients { get; init; } = [1, 16, 64];

    /// <summary>Rows added to products, warehouse items, to-dos and orders, 1,000 to 1,000,000.</summary>
    public int Rows { get; init; } = 100_000;

    /// <summary>Whether the Release build is made first.</summary>
    public bool Build { get; init; } = true;

    /// <summary>Whether services export telemetry to the dashboard.</summary>
    public bool Telemetry { get; init; }

    /// <summary>Minutes of <c>soak</c>, 1 to 120.</summary>
    public int Minutes { get; init; } = 10;

    public static Options Parse(string[] args)
    {
        var options = new Options();
        foreach (var pair in args.Chunk(2))
        {
            options = pair switch
            {
                ["--flows", var names] => options with { Flows = Known(names.Split(',')) },
                ["--seconds", var text] => options with { Seconds = Number(pair[0], text, 1, 60) },
                ["--clients", var text] => options with { Clients = [.. text.Split(',').Select(part => Number(pair[0], part, 1, 256))] },
                ["--rows", var text] => options with { Rows = Number(pair[0], text, 1_000, 1_000_000) },
                ["--telemetry", "on" or "off"] => options with { Telemetry = pair[1] is "on" },
                ["--build", "on" or "off"] => options with { Build = pair[1] is "on" },
                ["--minutes", var text] => options with { Minutes = Number(pair[0], text, 1, 120) },
                _ => throw new BenchException(
                    $"{string.Join(' ', pair)} is no option. The options are --flows a,b --seconds 3 --clients 1,16,64 --rows 100000 "
                    + "--telemetry on|off --build on|off, and for soak --minutes 10."),
            };
        }

        return options;
    }

    private static string[] Known(string[] names) =>
        names.FirstOrDefault(name => !Flow.Names.Contains(name, StringComparer.Ordinal)) is { } unknown
            ? throw new BenchException($"There is no flow {unknown}. The flows are {string.Join(", ", Flow.Names)}.")
            : names;

    private static int Number(string name, string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new BenchException($"{name} takes a number from {least} to {most}.");
}
