using System.Diagnostics;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.Tests.Deploy;

/// <summary>Secrets that are mounted as files, as Compose does it.</summary>
[Trait("Speed", "slow")]
public sealed class SecretFileTests(Cluster cluster) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("microplatform-secrets-").FullName;

    [Fact]
    public async Task A_service_reads_each_secret_from_the_file_named_after_its_key()
    {
        var connection = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("secrets"));
        await WriteAsync("ConnectionStrings__accountingdb", connection + "\n");
        await WriteAsync("ConnectionStrings__busdb", connection + "\n");
        await WriteAsync("tls.crt", "no setting");

        var (exitCode, _, error) = await MigrateAsync(_folder);

        Assert.True(exitCode is 0, error);
    }

    [Fact]
    public async Task A_missing_secret_stops_the_service_with_one_line_that_names_its_key()
    {
        await WriteAsync("ConnectionStrings__busdb", cluster.ConnectionStringTo("postgres"));

        var (exitCode, output, error) = await MigrateAsync(_folder);

        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        Assert.StartsWith(
            "The setting ConnectionStrings:accountingdb is missing: give", Assert.Single(error.Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_secrets_folder_stops_the_service_with_one_line()
    {
        var missing = Path.Combine(_folder, "missing");

        var (exitCode, output, error) = await MigrateAsync(missing);

        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        Assert.StartsWith(
            $"The setting SecretsFolder is \"{missing}\": give a folder of secrets", Assert.Single(error.Split('\n')),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_does_not_run_is_not_healthy() =>
        Assert.Equal((1, "", ""), await RunAsync(_folder, "--Kestrel:Endpoints:http:Url=http://localhost:1", "--healthy"));

    [Fact]
    public async Task A_service_is_healthy_only_when_it_is_ready()
    {
        await using var service = new ReadyService();
        var address = $"--Kestrel:Endpoints:http:Url={service.Address}";

        Assert.Equal((0, "", ""), await RunAsync(_folder, address, "--healthy"));
        service.IsReady = false;
        Assert.Equal((1, "", ""), await RunAsync(_folder, address, "--healthy"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Task<(int ExitCode, string Output, string Error)> MigrateAsync(string folder) => RunAsync(folder, "--migrate");

    private static Task<(int ExitCode, string Output, string Error)> RunAsync(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["Accounting.dll", .. arguments]) { WorkingDirectory = Programs.FolderOf("Accounting") };
        start.Environment["SecretsFolder"] = folder;
        return Programs.RunAsync(start);
    }

    private Task WriteAsync(string name, string content) =>
        File.WriteAllTextAsync(Path.Combine(_folder, name), content, TestContext.Current.CancellationToken);

    /// <summary>Answers readiness probes as a service does.</summary>
    private sealed class ReadyService : IAsyncDisposable
    {
        private readonly WebApplication _app;

        public ReadyService()
        {
            var builder = WebApplication.CreateEmptyBuilder(new()); // the appsettings.json beside the tests belongs to a service
            builder.WebHost.UseKestrel();
            builder.Services.AddRouting();
            _app = builder.Build();
            _app.Urls.Add("http://127.0.0.1:0");
            _app.MapGet("/health/ready", () => IsReady ? Results.Ok() : Results.StatusCode(StatusCodes.Status503ServiceUnavailable));
            _app.Start();
        }

        public bool IsReady { get; set; } = true;

        public string Address => _app.Urls.Single();

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
