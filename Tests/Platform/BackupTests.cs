using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.AppHost.Postgres;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>These tests run processes of their own, so no other test runs at the same time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class BackupTestGroup
{
    public const string Name = "Backup";
}

/// <summary>Runs the commands of docs/backup.md as they are.</summary>
[Collection(BackupTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed partial class BackupTests : IDisposable
{
    // The services that orders need.
    private static readonly string[] OrderServices = [.. TestPlatform.Names.Where(service => service is not "todo")];

    private readonly string folder =
        Directory.CreateDirectory(Path.Combine(ServerAccount.TemporaryFolder, $"backup-{Guid.NewGuid():N}")).FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        // Ends pg_receivewal if the page's commands did not get that far.
        var receiver = Path.Combine(folder, "backup", "receiver");
        if (File.Exists(receiver)
            && Process.GetProcesses().FirstOrDefault(process =>
                process.ProcessName is "pg_receivewal"
                    && process.Id == int.Parse(File.ReadAllText(receiver), CultureInfo.InvariantCulture)) is { } left)
        {
            left.Kill();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_point_in_time_restore_recovers_every_acknowledged_order_and_the_invariants_hold()
    {
        string moment;
        var before = new List<long>();
        var data = "";
        await using (var platform = await StartAsync())
        {
            await RunAsync(platform, "connect");
            data = (await File.ReadAllTextAsync(Path.Combine(folder, "backup", "data_directory"), Cancel)).Trim();
            await RunAsync(platform, "archive");
            using (var stopping = new CancellationTokenSource())
            {
                var ordering = OrderAsync(platform, stopping.Token);
                await RunAsync(platform, "base");
                await stopping.CancelAsync();
                before.AddRange(await ordering);
            }

            // Only the WAL has these orders, and the events of the last ones are not handled yet.
            for (var i = 0; i < 10; i++)
            {
                before.Add(await OrderOnceAsync(platform));
            }

            moment = await QueryAsync(
                platform, "salesdb", "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')");
            await RunAsync(platform, "dump");
            Assert.Equal(
                await QueryAsync(platform, "salesdb", "SELECT count(*)::text FROM orders"),
                await QueryAsync(platform, "salesdb_copy", "SELECT count(*)::text FROM orders"));
            await QueryAsync(platform, "salesdb", "TRUNCATE orders CASCADE");
            await QueryAsync(platform, "accountingdb", "TRUNCATE transactions");
            var mistake = await QueryAsync(platform, "postgres", "SELECT pg_current_wal_lsn()::text");
            await Eventually.TrueAsync(
                async () => await QueryAsync(
                    platform, "postgres",
                    $"SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE application_name = 'pg_receivewal' AND flush_lsn >= "
                        + $"'{mistake}'::pg_lsn)::text") is "true",
                "the WAL is received");
        }

        try
        {
            await RunAsync(null, "restore", moment);
            await using var restored = await StartAsync();
            IReadOnlyList<string> violations = ["not checked"];
            await Eventually.TrueAsync(
                async () => (violations = await Invariants.FindViolationsAsync(restored.ConnectionString, Cancel)).Count == 0,
                "pending events are handled", seconds: 60);
            Assert.Empty(violations);
            Assert.Equal(
                before.Count.ToString(CultureInfo.InvariantCulture),
                await QueryAsync(
                    restored, "salesdb", $"SELECT count(*)::text FROM orders WHERE id = ANY('{{{string.Join(',', before)}}}')"));
            await OrderOnceAsync(restored);
        }
        finally
        {
            Directory.Delete(data + ".broken", recursive: true);
        }
    }

    private static async Task<List<long>> OrderAsync(AspirePlatform platform, CancellationToken stop)
    {
        var orders = new List<long>();
        do
        {
            orders.Add(await OrderOnceAsync(platform));
        }
        while (!stop.IsCancellationRequested);

        return orders;
    }

    private static async Task<long> OrderOnceAsync(AspirePlatform platform)
    {
        using var users = new HttpClient { BaseAddress = platform.Address("users") };
        using var sales = new HttpClient { BaseAddress = platform.Address("sales") };
        var token = (await users.SendAsync(
            "POST", "/api/v1/users/login",
            new { username = "clerk", password = TestPlatform.Password }).JsonAsync()).GetProperty("accessToken").GetString();
        var key = ("Idempotency-Key", Guid.NewGuid().ToString());
        while (true)
        {
            using var response = await sales.SendAsync(
                "POST", "/api/v1/sales/orders", new { customerId = 3, items = new[] { new { itemId = 1, quantity = 1 } } }, token, key);
            if (response.StatusCode is not HttpStatusCode.ServiceUnavailable) // a busy machine may answer 503
            {
                return (await Task.FromResult(response).JsonAsync(HttpStatusCode.Created)).GetProperty("id").GetInt64();
            }
        }
    }

    private static async Task<string> QueryAsync(AspirePlatform platform, string database, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(platform.SuperuserConnectionString)
        {
            Database = database,
            Pooling = false,
        }.ConnectionString);
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancel) as string ?? "";
    }

    [GeneratedRegex(
        "<!-- run: (?<name>[a-z]+) -->\n```bash\n(?<commands>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block();

    private Task<AspirePlatform> StartAsync() =>
        AspirePlatform.StartAsync([$"--DataFolder={Path.Combine(folder, ".data")}", "--Postgres=local"], services: OrderServices);

    /// <summary>Runs a block of the page, after the first block, whose exports each block needs.</summary>
    private async Task RunAsync(AspirePlatform? platform, string name, string moment = "")
    {
        var page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "backup.md"), Cancel);
        var blocks = Block().Matches(page.ReplaceLineEndings("\n"))
            .ToDictionary(block => block.Groups["name"].Value, block => block.Groups["commands"].Value, StringComparer.Ordinal);
        var log = Path.Combine(folder, $"{name}.log");
        var script =
            $"set -eu\nexec > '{log}' 2>&1 < /dev/null\n{(platform is null || name is "connect" ? "" : blocks["connect"])}{blocks[name]}";
        var start = new ProcessStartInfo("bash", ["-c", script]) { WorkingDirectory = folder, UseShellExecute = false };
        start.Environment["moment"] = moment;
        start.Environment["PATH"] =
            $"{(await PostgresPrograms.FindAsync(major: null)).Folder}:{Environment.GetEnvironmentVariable("PATH")}";
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync(Cancel);
        Assert.True(process.ExitCode == 0, $"{name}: {await File.ReadAllTextAsync(log, Cancel)}");
    }
}
