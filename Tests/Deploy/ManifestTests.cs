using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Deploy;

/// <summary>The manifest: what the app model publishes, and what it refuses to.</summary>
[Trait("Speed", "slow")]
public sealed class ManifestTests
{
    // Services with at most 4 replicas, twice as many during a deployment.
    private static readonly int Replicas = TestPlatform.Names.Length * 4 * 2;

    // A replica has a pool for each of its two databases.
    private static readonly int Pools = Replicas * 2;

    // A replica has one connection that listens for signals; administrators need a few.
    private static readonly int FurtherConnections = Replicas + 20;

    // What Azure Database for PostgreSQL allows a server with 4 cores, less its own 15 (its documentation, "Limits").
    private const int MaxConnections = 1703;

    [Fact]
    public async Task The_committed_manifest_is_what_the_app_host_writes()
    {
        var (exitCode, error, manifest) = await Manifest.PublishAsync("--publisher", "manifest", "--output-path", "FILE");

        Assert.Equal((0, ""), (exitCode, error));
        CommittedFile.Hold(Manifest.CommittedPath, manifest);
    }

    [Fact]
    public void Only_the_gateway_has_an_external_endpoint_and_it_uses_unencrypted_HTTP2()
    {
        var (gateway, external) = Assert.Single(
            Manifest.Committed.Services.SelectMany(service => service.Bindings.Select(binding => (service.Name, binding))),
            pair => pair.binding.IsExternal);

        Assert.Equal("gateway", gateway);
        Assert.Equal(("http", true), (external.Scheme, external.IsHttp2));
        var environment = Manifest.Committed.Services.Single(service => service.Name is "gateway").Environment;
        Assert.Equal("Http2", environment[$"Kestrel__Endpoints__{external.Name}__Protocols"]);
        Assert.Contains("TrustedProxies__0", environment.Keys);
    }

    [Fact]
    public void A_service_has_http_as_its_first_endpoint_and_at_most_grpc_as_another()
    {
        var bindings = Manifest.Committed.Services.Where(service => !service.IsPublic).ToList();

        Assert.Equal(
            TestPlatform.Names.Order(StringComparer.Ordinal), bindings.Select(service => service.Name).Order(StringComparer.Ordinal));
        Assert.All(bindings, service => Assert.Subset(
            new HashSet<(string, string, bool)> { ("http", "http", false), ("grpc", "http", true) },
            service.Bindings.Select(binding => (binding.Name, binding.Scheme, binding.IsHttp2)).ToHashSet()));
        Assert.All(bindings, service => Assert.Equal("http", service.Bindings[0].Name));
        Assert.All(
            bindings,
            service => Assert.All(
                service.Bindings, binding => Assert.Contains($"Kestrel__Endpoints__{binding.Name}__Url", service.Environment.Keys)));
    }

    [Fact]
    public void No_development_settings_are_published() => Assert.All(Manifest.Committed.Services, service =>
    {
        Assert.Equal("false", service.Environment["SeedDemoData"]);
        Assert.DoesNotContain("ASPNETCORE_ENVIRONMENT", service.Environment.Keys);
        Assert.DoesNotContain("ASPNETCORE_FORWARDEDHEADERS_ENABLED", service.Environment.Keys);
    });

    [Fact]
    public void Every_secret_is_a_generated_input_of_letters_and_digits()
    {
        var parameters = Manifest.Committed.OfType("parameter.v0").ToList();

        Assert.Equal(
            Manifest.Committed.Databases.Append("postgres").Select(name => $"{name}-password")
                .Concat(["account-key-secret", "internal-call-key"]).Order(StringComparer.Ordinal),
            parameters.Select(parameter => parameter.Name).Order(StringComparer.Ordinal));
        Assert.All(parameters, parameter =>
        {
            var input = parameter.Resource.GetProperty("inputs").GetProperty("value");
            Assert.True(input.GetProperty("secret").GetBoolean());
            var generate = input.GetProperty("default").GetProperty("generate");
            Assert.True(generate.GetProperty("minLength").GetInt32() >= 32);
            Assert.False(generate.GetProperty("special").GetBoolean());
        });
    }

    [Fact]
    public void Each_service_is_given_the_secrets_that_it_needs_and_no_others() =>
        Assert.All(Manifest.Committed.Services, service => Assert.Equal(
        service.Databases.Select(database => $"ConnectionStrings__{database}")
            .Concat(service.Name is "customers" or "warehouse" or "sales" or "cart" or "gateway" ? ["InternalCalls__Key"] : [])
            .Concat(service.Name is "customers" or "users" ? ["Accounts__KeySecret"] : []).Order(StringComparer.Ordinal),
        service.Environment.Where(variable => Manifest.IsSecret(variable.Value)).Select(variable => variable.Key)
            .Order(StringComparer.Ordinal)));

    [Fact]
    public void Connections_verify_the_servers_certificate_and_stay_within_its_connection_limit()
    {
        var connections = Manifest.Committed.OfType("value.v0").ToDictionary(
            resource => resource.Name, resource => new Npgsql.NpgsqlConnectionStringBuilder(resource.Resource.GetProperty(
                "connectionString").GetString()), StringComparer.Ordinal);

        Assert.Equal(Manifest.Committed.Databases, connections.Keys.Order(StringComparer.Ordinal));
        Assert.All(connections, connection =>
        {
            Assert.Equal(Npgsql.SslMode.VerifyFull, connection.Value.SslMode);
            Assert.Equal((connection.Key, connection.Key), (connection.Value.Database, connection.Value.Username));
            Assert.InRange(connection.Value.MaxPoolSize, 10, (MaxConnections - FurtherConnections) / Pools);
        });
    }

    [Theory]
    [InlineData(
        "This platform cannot publish docker-compose. Write the manifest:", "--publisher", "docker-compose", "--output-path", "FILE")]
    [InlineData(
        "This platform cannot publish deploy. Write the manifest:", "--operation", "publish", "--step", "deploy", "--output-path", "FILE")]
    [InlineData("The file to publish to is not named. Write the manifest:", "--publisher", "manifest")]
    [InlineData("There is no setting --Target.", "--publisher", "manifest", "--output-path", "FILE", "--Target", "azure")]
    public async Task Invalid_publish_arguments_end_with_a_one_line_error(string expected, params string[] arguments)
    {
        var (exitCode, error, manifest) = await Manifest.PublishAsync(arguments);

        Assert.Equal((Settings.ExitCode, ""), (exitCode, manifest));
        Assert.StartsWith(expected, Assert.Single(error.Split('\n')), StringComparison.Ordinal);
    }
}
