using System.Text.Json;

namespace MicroPlatform.AppHost;

/// <summary>What another program needs to know to use a running platform.</summary>
internal static class PlatformState
{
    /// <summary>The file in the data folder of a run that was not told another.</summary>
    public const string FileName = "state.json";

    private static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static void Write(string file, EmbeddedPlatform platform, IEnumerable<ServiceProcess> processes, IEnumerable<string> databases)
    {
        var processesOf = processes.ToLookup(process => process.Service.Name, StringComparer.Ordinal);
        var connectionStrings = databases.Distinct(StringComparer.Ordinal).ToDictionary(database => database, platform.ConnectionString, StringComparer.Ordinal);
        connectionStrings["postgres"] = platform.SuperuserConnectionString;
        PrivateFile.Write(Path.GetFullPath(file), JsonSerializer.Serialize(
            new
            {
                ProcessId = Environment.ProcessId,
                platform.DataFolder,
                // Absent when the run is of some services only.
                Gateway = processesOf.Contains("gateway") ? new { Http = platform.GatewayHttp, Https = platform.GatewayHttps, platform.CertificateFile } : null,
                Services = processesOf.ToDictionary(
                    service => service.Key,
                    service => service.Select(process => new { ProcessId = process.Process?.Id, process.Endpoints }),
                    StringComparer.Ordinal),
                Postgres = new { ProcessId = platform.ProcessId("postgres") },
                ConnectionStrings = connectionStrings,
                ReadyAfterSeconds = platform.ReadyAfter.TotalSeconds,
            },
            Readable));
    }
}
