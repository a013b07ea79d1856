using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>A setting that is missing or malformed stops the program at once, with one line for the operator.</summary>
[Trait("Speed", "slow")]
public sealed class SettingsTests(Cluster cluster)
{
    private const string Database = "Host=127.0.0.1;Port=1;Database=none;Username=none;Password=se-cret";

    // Complete, so that the setting that a test removes or spoils is the only fault.
    private static readonly Dictionary<string, string> Gateway = new(
        TestPlatform.Names
            .SelectMany(
                _ => new[] { "http", "grpc" }, (name, endpoint) => KeyValuePair.Create($"services:{name}:{endpoint}:0", $"http://{name}"))
            .Append(KeyValuePair.Create("InternalCalls:Key", TestPlatform.InternalCallKey)), StringComparer.Ordinal);

    private static readonly Dictionary<string, string> Sales = new(Gateway, StringComparer.Ordinal)
    {
        ["ConnectionStrings:salesdb"] = Database,
        ["ConnectionStrings:busdb"] = Database,
    };
    private static readonly Dictionary<string, string> Cart = new(Sales, StringComparer.Ordinal)
    {
        ["ConnectionStrings:cartdb"] = Database,
    };

    private static readonly Dictionary<string, string> Warehouse = new(Sales, StringComparer.Ordinal)
    {
        ["ConnectionStrings:warehousedb"] = Database,
    };

    private static readonly Dictionary<string, string> Customers = new(StringComparer.Ordinal)
    {
        ["ConnectionStrings:customersdb"] = Database,
        ["ConnectionStrings:busdb"] = Database,
        ["Accounts:KeySecret"] = TestPlatform.KeySecret,
        ["InternalCalls:Key"] = TestPlatform.InternalCallKey,
    };

    public static TheoryData<string, string, string?, string> Wrong => new()
    {
        {
            "Sales", "ConnectionStrings:salesdb", null,
            "is missing: give the PostgreSQL connection string of the service's database, such as Host=localhost;Database=salesdb;"
        },
        {
            "Sales", "ConnectionStrings:salesdb", "postgres://sales:se-cret@db/sales", "is malformed: give the PostgreSQL connection string"
        },
        { "Sales", "ConnectionStrings:salesdb", "Host=db;Pasword=se-cret", "is malformed: give the PostgreSQL connection string" },
        { "Sales", "ConnectionStrings:salesdb", "Port=5432;Password=se-cret", "is malformed: give the PostgreSQL connection string" },
        { "Sales", "ConnectionStrings:busdb", null, "is missing: give the PostgreSQL connection string" },
        {
            "Sales", "services:warehouse:grpc:0", null,
            "is missing: give the address of the grpc endpoint of the service warehouse, such as http://warehouse:8080"
        },
        {
            "Sales", "services:users:http:0", "users:8080/x y",
            "is \"users:8080/x y\": give the address of the http endpoint of the service users"
        },
        {
            "Sales", "Kestrel:Endpoints:http:Url", "localhost",
            "is \"localhost\": give the address to listen at, such as http://localhost:8080"
        },
        { "Sales", "Kestrel:Endpoints:http:Url", "http://localhost:99999", "give the address to listen at" },
        { "Sales", "Kestrel:Endpoints:grpc:Protocols", "Http9", "give one of Http1, Http2," },
        { "Sales", "Messaging:PollingMilliseconds", "fast", "is \"fast\": give a whole number, from 10 to 60000" },
        { "Sales", "SeedDemoData", "yes", "is \"yes\": give true or false" },
        {
            "Sales", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317 ", "give the address of an OTLP receiver, such as http://localhost:4317"
        },
        { "Sales", "Logging:LogLevel:Default", "Loud", "is \"Loud\": give one of Trace, Debug," },
        {
            "Customers", "Accounts:AccessTokenLifetime", "15",
            "is \"15\": give a time as hours:minutes:seconds or days.hours:minutes:seconds, from 00:00:10 to 1.00:00:00"
        },
        { "Customers", "Accounts:MaxFailures", "0", "is \"0\": give a whole number, from 1 to 1000" },
        { "Customers", "Accounts:MaxFailure", "5", "give none of that name; Accounts has AccessTokenLifetime," },
        { "Customers", "Accounts:KeySecret", null,
            "is missing: give the secret of at least 32 characters that the signing keys in the database are encrypted with" },
        { "Customers", "Accounts:KeySecret", "se-cret of 31 characters-------", "is malformed: give the secret of at least 32 characters" },
        { "Customers", "Accounts:PreviousKeySecret", "se-cret", "encrypted with until now, or nothing" },
        { "Customers", "Accounts:KeySecrt", "se-cret", "is malformed: give none of that name; Accounts has AccessTokenLifetime," },
        { "Customers", "InternalCalls:Key", null,
            "is missing: give the key of at least 32 visible ASCII characters that calls between services carry" },
        { "Warehouse", "InternalCalls:Key", null, "is missing: give the key of at least 32 visible ASCII characters" },
        { "Sales", "InternalCalls:Key", "", "is missing: give the key of at least 32 visible ASCII characters" },
        { "Cart", "InternalCalls:Key", null, "is missing: give the key of at least 32 visible ASCII characters" },
        { "Gateway", "InternalCalls:Key", null, "is missing: give the key of at least 32 visible ASCII characters" },
        { "Warehouse", "InternalCalls:Key", "se-cret-of-31-characters-------", "is malformed: give the key of at least 32 visible" },
        { "Cart", "InternalCalls:Key", "se-cret with blanks in it, which no metadata keep", "is malformed: give the key" },
        { "Gateway", "InternalCalls:Key", "se-cret-of-letters-beyond-ÄSCII-------", "is malformed: give the key" },
        { "Sales", "InternalCalls:PreviousKey", "se-cret", "is malformed: give the key of at least 32 visible ASCII characters" },
        { "Sales", "InternalCalls:Previous", "se-cret", "is malformed: give none of that name; InternalCalls has Key, PreviousKey" },
        { "Sales", "InternalCalls", "se-cret", "is malformed: give InternalCalls:Key and the like, as it is a section" },
        { "Customers", "TrustedProxies:0", "gateway", "is \"gateway\": give the network of proxies in front" },
        { "Gateway", "RateLimit:Burst", "many", "is \"many\": give a whole number, from 1 to 1000000" },
        { "Gateway", "Proxy:Deadline", "1 min", "is \"1 min\": give a time as" },
        { "Gateway", "Cors:Origins:0", "shop.example.com", "is \"shop.example.com\": give the origin of web pages that may call" },
        { "Gateway", "Cors:Origins", "https://shop.example.com", "give a list, Cors:Origins:0 and so on" },
        { "Gateway", "TrustedProxies:0", "10.0.0.0/40", "is \"10.0.0.0/40\": give the network of proxies in front" },
        { "Gateway", "Kestrel:Certificates:Default:KeyPath", "nowhere.key", "give a certificate in PEM" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_wrong_setting_stops_the_service_with_one_line_that_names_the_setting_and_what_it_expects(
        string service, string key, string? value, string expected)
    {
        var complete = service switch
        {
            "Sales" => Sales,
            "Cart" => Cart,
            "Warehouse" => Warehouse,
            "Customers" => Customers,
            _ => Gateway,
        };
        var settings = new Dictionary<string, string>(complete, StringComparer.Ordinal);
        settings.Remove(key);
        if (value is not null)
        {
            settings[key] = value;
        }

        var (exitCode, output, error) = await RunAsync(service, settings);
        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        var line = Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(key, line, StringComparison.Ordinal);
        Assert.Contains(expected, line, StringComparison.Ordinal);
        Assert.DoesNotContain("se-cret", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_migration_needs_the_database_settings_and_no_others()
    {
        var connection = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("settings"));
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["ConnectionStrings:salesdb"] = connection,
            ["ConnectionStrings:busdb"] = connection,
            ["Messaging:PollingMilliseconds"] = "fast",
        };
        Assert.Equal(0, (await RunAsync("Sales", settings, "--migrate")).ExitCode);
        settings["ConnectionStrings:salesdb"] = "nonsense";
        Assert.Equal(Settings.ExitCode, (await RunAsync("Sales", settings, "--migrate")).ExitCode);
    }

    [Fact]
    public async Task A_secret_that_cannot_decrypt_the_signing_keys_stops_the_service_with_one_line()
    {
        var connection = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("secret"));
        var settings = new Dictionary<string, string>(Customers, StringComparer.Ordinal)
        {
            ["ConnectionStrings:customersdb"] = connection,
            ["ConnectionStrings:busdb"] = connection,
            ["Kestrel:Endpoints:http:Url"] = "http://127.0.0.1:0",
            ["Kestrel:Endpoints:grpc:Url"] = "http://127.0.0.1:0",
        };
        Assert.Equal(0, (await RunAsync("Customers", settings, "--migrate")).ExitCode);
        using var key = RSA.Create(2048);
        await using (var db = new NpgsqlConnection(connection))
        {
            await db.OpenAsync(TestContext.Current.CancellationToken);
            await using var insert = new NpgsqlCommand("INSERT INTO signing_keys VALUES ('key', $1, now(), now() + interval '1 day')", db);
            insert.Parameters.Add(new()
            {
                Value = key.ExportEncryptedPkcs8PrivateKey("another-secret",
                new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000))
            });
            await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        var (exitCode, _, error) = await RunAsync("Customers", settings);
        Assert.Equal(Settings.ExitCode, exitCode);
        Assert.StartsWith("The setting Accounts:KeySecret does not open the signing keys in the database: give",
            Assert.Single(error.Split('\n')), StringComparison.Ordinal);
        Assert.DoesNotContain(TestPlatform.KeySecret, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_waits_for_another_migration_reports_the_wait_and_continues_afterwards()
    {
        var connection = cluster.ConnectionStringTo(await cluster.CreateEmptyAsync("lock"));
        await using var other = new NpgsqlConnection(connection + ";Pooling=false");
        await other.OpenAsync(TestContext.Current.CancellationToken);
        await using var migrationLock = new NpgsqlCommand("SELECT pg_advisory_lock(hashtext('migrations'))", other);
        await migrationLock.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var said = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var settings = new Dictionary<string, string>(Sales, StringComparer.Ordinal) { ["ConnectionStrings:salesdb"] = connection };
        var waiting = Programs.RunAsync(Command("Sales", settings, "--migrate"), line =>
        {
            if (line.Contains(
                $"Another process is migrating the database {other.Database}; waiting for it since", StringComparison.Ordinal))
            {
                said.TrySetResult();
            }
        });
        Assert.Same(said.Task, await Task.WhenAny(said.Task, waiting));

        await other.CloseAsync();
        Assert.Equal(0, (await waiting).ExitCode);
    }

    [Fact]
    public async Task An_address_in_use_stops_the_service_with_one_line_that_names_the_address()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var url = $"http://{taken.LocalEndpoint}";

        var (exitCode, output, error) = await RunAsync(
            "Sales",
            new(Sales, StringComparer.Ordinal)
            {
                ["Kestrel:Endpoints:http:Url"] = "http://127.0.0.1:0",
                ["Kestrel:Endpoints:grpc:Url"] = url,
            });

        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        Assert.StartsWith(
            $"The setting Kestrel:Endpoints:grpc:Url is \"{url}\", and nothing more can listen there (", Assert.Single(error.Split('\n')),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\n  \"Logging\": {,}\n}", "Line 2 is malformed: ',' is an invalid start of a property name.")]
    [InlineData("[]", "Top-level JSON element must be an object.")]
    [InlineData("{ \"SeedDemoData\": true, \"seeddemodata\": false }", "A duplicate key")]
    public async Task A_malformed_settings_file_stops_the_service_and_one_line_names_the_file_and_the_fault(string content, string expected)
    {
        using var folder = new SettingsFolder(content);

        var (exitCode, output, error) = await RunAsync("Sales", Sales, "--contentRoot", folder.Path);

        Assert.Equal((Settings.ExitCode, ""), (exitCode, output));
        var line = Assert.Single(error.Split('\n'));
        Assert.Contains(Path.Combine(folder.Path, "appsettings.json"), line, StringComparison.Ordinal);
        Assert.Contains(expected, line, StringComparison.Ordinal);
        Assert.EndsWith(" Correct it.", line, StringComparison.Ordinal);
    }

    /// <summary>Settings are given as variables, as every orchestrator does.</summary>
    private static ProcessStartInfo Command(string program, Dictionary<string, string> settings, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [program + ".dll", .. arguments]) { WorkingDirectory = Programs.FolderOf(program) };
        foreach (var (key, value) in settings)
        {
            start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        return start;
    }

    private static Task<(int ExitCode, string Output, string Error)> RunAsync(
        string program, Dictionary<string, string> settings, params string[] arguments) =>
        Programs.RunAsync(Command(program, settings, arguments));

    /// <summary>A content root with only these settings.</summary>
    private sealed class SettingsFolder : IDisposable
    {
        public SettingsFolder(string content) => File.WriteAllText(System.IO.Path.Combine(Path, "appsettings.json"), content);

        public string Path { get; } = Directory.CreateTempSubdirectory("microplatform-settings-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
