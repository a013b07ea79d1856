using System.Globalization;
using MicroPlatform.Bench;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture; // the same number format everywhere
if (await References.TryRunAsync(args))
{
    return 0;
}

try
{
    var soak = args is ["soak", ..];
    var options = Options.Parse(soak ? args[1..] : args);
    Machine.RequireEnough();
    await (soak ? Soak.RunAsync(options) : Measurement.RunAsync(options));
    return 0;
}
catch (BenchException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return 1;
}
