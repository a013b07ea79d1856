#if !ASPIRE
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MicroPlatform.AppHost;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>How runs of the embedded engine begin, end and follow each other.</summary>
[Collection(PlatformTestGroup.Name)]
public sealed class EmbeddedRunTests : IDisposable
{
    // Enough of the platform to see what the engine does.
    private static readonly IReadOnlyList<Service> OneService = [.. PlatformModel.Services.Where(service => service.Name is "customers")];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("microplatform-tests-");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_run_keeps_its_data_for_the_next_and_reset_deletes_it()
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

        await using (var third = await StartAsync(reset: true))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await PostAsync(third, "auth/login", email));
        }
    }

    [Fact]
    public async Task An_ephemeral_run_with_replicas_shares_one_database_and_leaves_nothing_behind()
    {
        var email = $"{Guid.NewGuid():N}@email.com";
        var platform = await EmbeddedPlatform.StartAsync(new() { Ephemeral = true, Replicas = 2, Services = OneService }, Cancel);
        int[] processes = [platform.ProcessId("customers")!.Value, platform.ProcessId("customers", 1)!.Value, platform.ProcessId("postgres")!.Value];

        Assert.Equal(HttpStatusCode.Created, await PostAsync(platform, "customers", email, replica: 0));
        Assert.Equal(HttpStatusCode.OK, await PostAsync(platform, "auth/login", email, replica: 1));

        await platform.DisposeAsync();
        Assert.All(processes, process => Assert.False(IsRunning(process)));
        Assert.False(Directory.Exists(platform.DataFolder));
    }

    [Fact]
    public async Task A_second_start_names_the_first_and_harms_nothing_and_a_killed_run_is_cleaned_up_by_the_next()
    {
        var state = Path.Combine(folder.FullName, "state.json");
        string[] options = ["--data", Path.Combine(folder.FullName, "data"), "--port", Ports.Take().ToString(CultureInfo.InvariantCulture), "--https-port", Ports.Take().ToString(CultureInfo.InvariantCulture), "--state", state];
        using var first = StartEngine(options);
        var leftBehind = await ProcessesAsync(first, state);

        using var second = StartEngine(options);
        Assert.Equal(1, await ExitCodeAsync(second));
        Assert.Contains($"is in use by another run of the platform (process {first.Id})", await second.StandardError.ReadToEndAsync(Cancel), StringComparison.Ordinal);
        Assert.All(leftBehind, process => Assert.True(IsRunning(process)));

        first.Kill();
        await first.WaitForExitAsync(Cancel);
        Assert.All(leftBehind, process => Assert.True(IsRunning(process)));
        File.Delete(state);
        using var third = StartEngine(options);
        var running = await ProcessesAsync(third, state);
        Assert.All(leftBehind, process => Assert.False(IsRunning(process)));

        await Signals.EndAsync(third, Signals.Terminate, Cancel);
        Assert.Equal(0, await ExitCodeAsync(third));
        Assert.All(running, process => Assert.False(IsRunning(process)));
        Assert.False(File.Exists(state));
    }

    [Fact]
    public async Task A_port_in_use_is_named_with_the_way_out()
    {
        using var taken = new TcpListener(IPAddress.Loopback, Ports.Take());
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        var refused = await Assert.ThrowsAsync<EngineException>(() => EmbeddedPlatform.StartAsync(new() { Ephemeral = true, HttpPort = port }, Cancel));

        Assert.Contains($"Port {port}", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--port", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_state_file_that_cannot_be_written_is_told_before_anything_starts()
    {
        var state = Path.Combine(folder.FullName, "nowhere", "state.json");

        var refused = await Assert.ThrowsAsync<EngineException>(() => EmbeddedPlatform.StartAsync(new() { Ephemeral = true, StateFile = state, Services = OneService }, Cancel));

        Assert.Contains(state, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--state", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_certificate_stays_and_is_made_anew_when_a_killed_run_left_half_of_it()
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

    [Theory]
    [InlineData("--ephemera")]
    [InlineData("--replicas", "0")]
    [InlineData("--port", "http")]
    public async Task A_wrong_option_is_answered_with_the_right_ones_and_exit_code_two(params string[] options)
    {
        using var engine = StartEngine(options);

        Assert.Equal(2, await ExitCodeAsync(engine));
        var answer = await engine.StandardError.ReadToEndAsync(Cancel);
        Assert.Contains(options[0], answer, StringComparison.Ordinal);
        Assert.Contains("--ephemeral, --reset, --replicas, --port, --https-port, --data, --state", answer, StringComparison.Ordinal);
    }

    // On Unix as a shell starts what it puts into the background: then SIGINT and SIGQUIT are ignored, and nothing that stops may depend on them.
    private static Process StartEngine(string[] options)
    {
        string[] command = [DotnetHost.Path, Path.Combine(Programs.FolderOf("AppHost"), "AppHost.dll"), .. options];
        var (program, arguments) = OperatingSystem.IsWindows() ? (command[0], command[1..]) : ("/bin/sh", ["-c", "trap '' INT QUIT; exec \"$0\" \"$@\"", .. command]);
        return Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
    }

    private static async Task<int> ExitCodeAsync(Process process)
    {
        process.OutputDataReceived += (_, _) => { };
        if (!process.HasExited)
        {
            await process.WaitForExitAsync(Cancel);
        }

        return process.ExitCode;
    }

    /// <summary>The processes of a run, once it is ready.</summary>
    private static async Task<List<int>> ProcessesAsync(Process engine, string stateFile)
    {
        engine.BeginOutputReadLine();
        await Eventually.TrueAsync(() => Task.FromResult(File.Exists(stateFile) || engine.HasExited), "the platform is ready", seconds: 120);
        Assert.False(engine.HasExited, "the engine ended");
        using var state = JsonDocument.Parse(await File.ReadAllTextAsync(stateFile, Cancel));
        return
        [
            state.RootElement.GetProperty("postgres").GetProperty("processId").GetInt32(),
            .. state.RootElement.GetProperty("services").EnumerateObject().SelectMany(service => service.Value.EnumerateArray()).Select(process => process.GetProperty("processId").GetInt32()),
        ];
    }

    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static async Task<HttpStatusCode> PostAsync(EmbeddedPlatform platform, string path, string email, int replica = 0)
    {
        using var http = new HttpClient { BaseAddress = platform.Address("customers", replica: replica) };
        return await http.SendAsync("POST", $"/api/v1/{path}", new { email, password = TestPlatform.Password }).StatusAsync();
    }

    private Task<EmbeddedPlatform> StartAsync(bool reset = false) =>
        EmbeddedPlatform.StartAsync(new() { DataFolder = folder.FullName, Reset = reset, Services = OneService }, Cancel);
}
#endif
