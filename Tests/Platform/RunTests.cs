using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Operations;
using MicroPlatform.AppHost.Postgres;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>How runs of the AppHost begin, end and follow each other.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class RunTests : IDisposable
{
    // Enough of the platform to see what the AppHost does.
    private static readonly string[] OneService = ["customers"];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("microplatform-tests-");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_run_keeps_its_data_for_the_next_run_and_reset_deletes_the_data()
    {
        var email = $"{Guid.NewGuid():N}@email.com";
        await using (var first = await StartAsync())
        {
            Assert.Equal(HttpStatusCode.Created, await PostAsync(first, "customers", email));
        }

        await using (var second = await StartAsync())
        {
            Assert.Equal(HttpStatusCode.OK, await PostAsync(second, "auth/login", email));
        }

        await using (var third = await StartAsync("--Reset=true"))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await PostAsync(third, "auth/login", email));
        }
    }

    [Fact]
    public async Task A_second_stop_of_a_run_leaves_the_database_of_the_next_run_alone()
    {
        string[] arguments = [$"--DataFolder={Path.Combine(folder.FullName, "data")}"];
        var first = await AspirePlatform.StartAsync(arguments, services: []);
        var shutdown = first.Shutdown;
        await first.DisposeAsync();
        await using var second = await AspirePlatform.StartAsync(arguments, services: []);
        await Eventually.TrueAsync(() => Task.FromResult(second.ProcessId("postgres") is not null), "PostgreSQL runs");
        var server = second.ProcessId("postgres");

        await shutdown.StopAsync(Cancel);

        Assert.Equal(server, second.ProcessId("postgres"));
    }

    [Fact]
    public async Task An_ephemeral_run_with_replicas_shares_one_database_and_leaves_nothing_behind()
    {
        var email = $"{Guid.NewGuid():N}@email.com";
        var platform = await AspirePlatform.StartAsync(["--Ephemeral=true", "--Replicas=2"], services: OneService);
        int[] processes =
        [
            platform.ProcessId("customers")!.Value, platform.ProcessId("customers", 1)!.Value, platform.ProcessId("postgres")!.Value,
        ];
        var data = platform.DataFolder;

        Assert.Equal(HttpStatusCode.Created, await PostAsync(platform, "customers", email));
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await PostAsync(platform, "auth/login", email)); // a new connection, so either replica answers
        }

        await platform.DisposeAsync();
        Assert.All(processes, process => Assert.False(IsRunning(process)));
        Assert.False(Directory.Exists(data));
    }

    [Fact]
    public async Task A_second_run_exits_and_names_the_first_and_a_new_run_can_follow_a_killed_one()
    {
        using var first = new AppHostRun(Options());
        await first.ReadyAsync();

        using var second = new AppHostRun(Options());
        Assert.Equal(78, await second.ExitCodeAsync());
        Assert.Contains(
            $"is in use by another run of the platform (process {first.ProcessId})", Assert.Single(second.Errors),
            StringComparison.Ordinal);
        Assert.False(first.HasExited);

        first.Kill();
        using var third = new AppHostRun(Options());
        await third.ReadyAsync();
        third.Terminate();
        Assert.Equal(0, await third.ExitCodeAsync());
        Assert.Empty(PostgresProcessesIn(folder.FullName));
        Assert.False(File.Exists(Path.Combine(folder.FullName, "data", "owner")));
    }

    [Fact]
    public async Task A_port_in_use_stops_the_start_with_one_line_that_names_the_port()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        using var run = new AppHostRun(["--Ephemeral=true", $"--HttpPort={port}"]);

        Assert.Equal(78, await run.ExitCodeAsync());
        var line = Assert.Single(run.Errors);
        Assert.Contains($"Port {port}", line, StringComparison.Ordinal);
        Assert.Contains("--HttpPort", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Ephemera=true", "There is no setting --Ephemera=true")]
    [InlineData("--ephemeral", "The setting --ephemeral has no value")]
    [InlineData("--Replicas=0", "Replicas must be between 1 and 20")]
    [InlineData("--Replicas=two", "'two' at 'Replicas'")]
    [InlineData("--HttpPort=http", "'http' at 'HttpPort'")]
    [InlineData("--HttpPort=70000", "HttpPort must be between 1 and 65535")]
    [InlineData("--Postgres=oracle", "'oracle' at 'Postgres'")]
    [InlineData("--Postgres=external", "name the server with --ConnectionStrings:postgres=")]
    [InlineData("--ConnectionStrings:postgres=localhost", "ConnectionStrings:postgres is malformed")]
    [InlineData(
        "--ConnectionStrings:postgres=Host=127.0.0.1;Port=1;Username=none",
        "The server that ConnectionStrings:postgres names cannot be used")]
    public async Task An_unusable_setting_stops_the_start_with_one_line_that_names_the_fault(string argument, string expected)
    {
        using var run = new AppHostRun([argument, $"--DataFolder={folder.FullName}"]);

        Assert.Equal(78, await run.ExitCodeAsync());
        Assert.Contains(expected, Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_whose_login_may_create_nothing_stops_the_start_with_one_line_that_names_the_missing_rights()
    {
        await using var server = await TestPostgres.StartAsync();
        await using var source = Npgsql.NpgsqlDataSource.Create(server.ConnectionString);
        await using var create = source.CreateCommand("CREATE ROLE weak LOGIN PASSWORD 'weak'; GRANT CONNECT ON DATABASE postgres TO weak");
        await create.ExecuteNonQueryAsync(Cancel);

        var login = $"Host=127.0.0.1;Port={server.Port};Username=weak;Password=weak;Database=postgres";
        using var run = new AppHostRun(["--Ephemeral=true", $"--ConnectionStrings:postgres={login}"]);

        Assert.Equal(78, await run.ExitCodeAsync());
        Assert.Contains("CREATEDB CREATEROLE", Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_of_another_PostgreSQL_version_stops_the_start_with_one_line_that_offers_a_reset()
    {
        WriteData(version: "9");

        using var run = new AppHostRun(Options());

        Assert.Equal(78, await run.ExitCodeAsync());
        var line = Assert.Single(run.Errors);
        Assert.Contains("The data was made by PostgreSQL 9, which is not on this machine", line, StringComparison.Ordinal);
        Assert.Contains("--Reset=true", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_without_its_password_stops_the_start_with_one_line_that_offers_two_solutions()
    {
        WriteData(version: "15");
        File.Delete(Path.Combine(folder.FullName, "data", "secrets.json"));

        using var run = new AppHostRun(Options());

        Assert.Equal(78, await run.ExitCodeAsync());
        var line = Assert.Single(run.Errors);
        Assert.Contains("Put secrets.json back", line, StringComparison.Ordinal);
        Assert.Contains("--Reset=true", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unwritable_data_folder_stops_the_start_with_one_line_that_names_the_folder()
    {
        var file = Path.Combine(folder.FullName, "file");
        await File.WriteAllTextAsync(file, "", Cancel);

        using var run = new AppHostRun([$"--DataFolder={file}/data"]);

        Assert.Equal(78, await run.ExitCodeAsync());
        Assert.Contains($"The data folder {file}/data cannot be used", Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_PostgreSQL_the_error_lists_the_ways_to_get_it()
    {
        var refused = await Assert.ThrowsAsync<StartupException>(() => PostgresPrograms.FindAsync(major: null, [folder.FullName]));

        Assert.StartsWith(
            "There is no PostgreSQL 15 or newer on this machine. Install it (apt-get install postgresql", refused.Message,
            StringComparison.Ordinal);
        Assert.Contains("--ConnectionStrings:postgres=", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public async Task A_container_engine_that_is_installed_but_not_running_stops_the_start_when_requested()
    {
        var tools = Directory.CreateDirectory(Path.Combine(folder.FullName, "tools")).FullName;
        foreach (var name in new[] { "docker", "podman" })
        {
            var script = Path.Combine(tools, name);
            await File.WriteAllTextAsync(script, "#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n", Cancel);
            Programs.MakeExecutable(script);
        }

        using var run = new AppHostRun(
            ["--Ephemeral=true", "--Postgres=container"],
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["PATH"] = $"{tools}:{Environment.GetEnvironmentVariable("PATH")}",
            });

        Assert.Equal(78, await run.ExitCodeAsync());
        Assert.Contains("no container engine answers", Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void The_certificate_is_reused_and_is_recreated_when_one_of_its_files_is_damaged()
    {
        var first = File.ReadAllText(GatewayCertificate.In(folder.FullName).CertificateFile);
        var files = GatewayCertificate.In(folder.FullName);
        Assert.Equal(first, File.ReadAllText(files.CertificateFile));

        foreach (var damaged in new[] { files.CertificateFile, files.KeyFile })
        {
            File.WriteAllText(damaged, "");
            GatewayCertificate.In(folder.FullName);
            using var made = X509Certificate2.CreateFromPemFile(files.CertificateFile, files.KeyFile);
            Assert.True(made.HasPrivateKey);
        }
    }

    private static bool IsRunning(int processId) =>
        Array.Exists(Process.GetProcesses(), process => process.Id == processId && !process.HasExited);

    private static IEnumerable<int> PostgresProcessesIn(string folder) =>
        Process.GetProcessesByName("postgres")
            .Where(process =>
                File.Exists($"/proc/{process.Id}/cmdline")
                    && File.ReadAllText($"/proc/{process.Id}/cmdline").Contains(folder, StringComparison.Ordinal)).Select(process =>
                    process.Id);

    private static async Task<HttpStatusCode> PostAsync(AspirePlatform platform, string path, string email)
    {
        using var http = new HttpClient { BaseAddress = platform.Address("customers") };
        return await http.SendAsync("POST", $"/api/v1/{path}", new { email, password = TestPlatform.Password }).StatusAsync();
    }

    private void WriteData(string version)
    {
        var data = Directory.CreateDirectory(Path.Combine(folder.FullName, "data"));
        File.WriteAllText(Path.Combine(data.FullName, "secrets.json"), """{"postgres-password":"known"}""");
        var server = Directory.CreateDirectory(Path.Combine(ServerAccount.ServerFolder(data.FullName), "data"));
        File.WriteAllText(Path.Combine(server.FullName, "PG_VERSION"), version + "\n");
    }

    private string[] Options() =>
        [$"--DataFolder={Path.Combine(folder.FullName, "data")}", $"--HttpPort={Ports.Free()}", $"--HttpsPort={Ports.Free()}"];

    private Task<AspirePlatform> StartAsync(params string[] arguments) =>
        AspirePlatform.StartAsync([$"--DataFolder={Path.Combine(folder.FullName, "data")}", .. arguments], services: OneService);
}
