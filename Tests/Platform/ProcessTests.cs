using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>What the AppHost promises about the processes and the database that it runs.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class ProcessTests(RunningPlatform platform)
{
    private const int GivenUpAfter = 180; // seconds; ends a test that hangs

    public static TheoryData<string> Services => [.. TestPlatform.NamesWithGateway];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_killed_service_is_started_again_and_its_log_says_why(string service)
    {
        var killed = platform.Engine.ProcessId(service);
        var sinceKill = Stopwatch.StartNew();

        await platform.Engine.KillAsync(service);
        await Eventually.TrueAsync(
            () => Task.FromResult(platform.Engine.ProcessId(service) is { } now && now != killed), $"{service} runs again", GivenUpAfter);
        await platform.Engine.WaitUntilReadyAsync(service);

        TestContext.Current.TestOutputHelper?.WriteLine($"{service} was ready {sinceKill.Elapsed.TotalSeconds:0.0} s after it was killed");
        Assert.Contains(
            await platform.Engine.LogsOfAsync(service), line => line.Contains($"{service} ended with exit code", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_manually_stopped_service_stays_stopped_while_a_crashed_service_is_restarted()
    {
        await platform.Engine.StopServiceAsync("todo");
        try
        {
            var killed = platform.Engine.ProcessId("accounting");
            await platform.Engine.KillAsync("accounting");
            await Eventually.TrueAsync(
                () => Task.FromResult(platform.Engine.ProcessId("accounting") is { } now
                    && now != killed), "accounting runs again", GivenUpAfter);

            Assert.Equal(["Finished"], platform.Engine.StatesOf("todo"));
        }
        finally
        {
            await platform.Engine.StartServiceAsync("todo");
            await platform.Engine.WaitUntilReadyAsync("accounting");
        }
    }

    [Fact]
    public async Task A_killed_database_is_restarted_with_its_data_and_every_service_becomes_ready()
    {
        using var https = platform.Https();
        var email = $"{Guid.NewGuid():N}@email.com";
        await https.SendAsync("POST", "/api/v1/customers", new { email, password = TestPlatform.Password })
            .JsonAsync(HttpStatusCode.Created);
        var killed = platform.Engine.ProcessId("postgres");
        var sinceKill = Stopwatch.StartNew();

        await platform.Engine.KillAsync("postgres");
        await Eventually.TrueAsync(
            async () => await https.SendAsync(
                "POST", "/api/v1/auth/login", new { email, password = TestPlatform.Password }).StatusAsync() is HttpStatusCode.OK,
            "a customer who registered before the kill can log in after it", GivenUpAfter);
        await Task.WhenAll(platform.Engine.Services.Select(platform.Engine.WaitUntilReadyAsync));

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"all were ready {sinceKill.Elapsed.TotalSeconds:0.0} s after the database was killed");
        Assert.NotEqual(killed, platform.Engine.ProcessId("postgres"));
    }

    [Fact]
    public async Task No_service_can_connect_to_the_database_of_another()
    {
        var databases = platform.Engine.Databases.ToList();
        Assert.Equal(8, databases.Count);
        foreach (var login in databases)
        {
            foreach (var other in databases.Where(other =>
                !string.Equals(other, login, StringComparison.Ordinal)).Append("postgres").Append("template1"))
            {
                var own = platform.Engine.ConnectionString(login);
                var crossing = new NpgsqlConnectionStringBuilder(own) { Database = other, Pooling = false }.ConnectionString;
                await using var connection = new NpgsqlConnection(crossing);

                var refused = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync(Cancel));

                Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
            }
        }
    }

    [Theory]
    [InlineData("customersdb", "wrong")]
    [InlineData("postgres", "")]
    [InlineData("postgres", "postgres")]
    public async Task The_database_refuses_a_wrong_or_missing_password(string login, string password)
    {
        var guess = new NpgsqlConnectionStringBuilder(platform.Engine.SuperuserConnectionString)
        {
            Username = login,
            Password = password,
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(guess.ConnectionString);

        var refused = await Assert.ThrowsAnyAsync<NpgsqlException>(() => connection.OpenAsync(Cancel));

        Assert.True(
            refused is PostgresException { SqlState: PostgresErrorCodes.InvalidPassword }
                || refused.Message.Contains("No password", StringComparison.Ordinal),
            refused.Message);
    }

    [Fact]
    public async Task Every_port_listens_on_loopback_only()
    {
        var elsewhere = NetworkInterface.GetAllNetworkInterfaces()
            .Where(network => network.OperationalStatus == OperationalStatus.Up)
            .SelectMany(network => network.GetIPProperties().UnicastAddresses)
            .Select(address => address.Address)
            .Where(address => !IPAddress.IsLoopback(address) && address.AddressFamily == AddressFamily.InterNetwork)
            .ToList();
        var ports = platform.Engine.Services.Select(service => platform.Engine.Address(service).Port)
            .Append(platform.Engine.GatewayHttps.Port)
            .Append(new NpgsqlConnectionStringBuilder(platform.Engine.SuperuserConnectionString).Port);

        // The machine may have no other address, so the test also checks the listening sockets.
        var listening = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners();
        foreach (var port in ports)
        {
            Assert.All(
                listening.Where(endpoint => endpoint.Port == port),
                endpoint => Assert.True(IPAddress.IsLoopback(endpoint.Address), endpoint.ToString()));
            foreach (var address in elsewhere)
            {
                using var client = new TcpClient();
                await Assert.ThrowsAnyAsync<SocketException>(() => client.ConnectAsync(address, port, Cancel).AsTask());
            }
        }
    }
}
