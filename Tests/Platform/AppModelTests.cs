using Aspire.Hosting.ApplicationModel;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Platform;

/// <summary>The app model itself: what runs, with which databases, references, endpoints and secrets.</summary>
[Trait("Speed", "slow")]
public sealed class AppModelTests
{
    private static readonly string[] Databases =
    [
        .. TestPlatform.Names.Select(service => $"{service}db").Append("busdb").Order(StringComparer.Ordinal),
    ];

    [Theory]
    [InlineData("customers", "busdb customersdb", "")]
    [InlineData("users", "busdb usersdb", "")]
    [InlineData("warehouse", "busdb warehousedb", "users")]
    [InlineData("accounting", "accountingdb busdb", "users")]
    [InlineData("sales", "busdb salesdb", "customers users warehouse")]
    [InlineData("cart", "busdb cartdb", "customers sales")]
    [InlineData("todo", "busdb tododb", "users")]
    [InlineData("gateway", "", "accounting cart customers sales todo users warehouse")]
    public void A_service_gets_its_databases_and_the_addresses_of_the_services_it_calls(string name, string databases, string references)
    {
        var service = AppModel.Services.Single(service => string.Equals(service.Name, name, StringComparison.Ordinal));

        Assert.Equal(databases, string.Join(' ', service.Databases.Order(StringComparer.Ordinal)));
        Assert.Equal(references, string.Join(' ', service.References.Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("account-key-secret", "customers users")]
    [InlineData("internal-call-key", "cart customers gateway sales warehouse")]
    public void A_secret_is_given_only_to_the_services_that_need_it(string secret, string services)
    {
        var given = AppModel.Services.Where(service => service.Secrets.Contains(secret, StringComparer.Ordinal));

        Assert.Equal(services, string.Join(' ', given.Select(service => service.Name).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void Only_the_gateway_is_public() =>
        Assert.Equal(["gateway"], AppModel.Services.Where(service => service.IsPublic).Select(service => service.Name));

    [Fact]
    public async Task Services_wait_for_their_databases_and_not_for_each_other()
    {
        var waits = await ReadAsync("local", model => model.GetProjectResources().ToDictionary(
            service => service.Name,
            service =>
                service.Annotations.OfType<WaitAnnotation>().Select(wait => wait.Resource.Name).Order(StringComparer.Ordinal).ToList(),
            StringComparer.Ordinal));

        Assert.All(AppModel.Services, service => Assert.Equal(
            service.Databases.Length == 0
                ? []
                : service.Databases.Append("postgres").Order(StringComparer.Ordinal), waits[service.Name]
                    .Distinct(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task Every_service_is_probed_and_has_the_configured_number_of_replicas()
    {
        var services =
            await AppModel.ReadAsync(["--Ephemeral=true", "--Postgres=local", "--Replicas=3"], model => model.GetProjectResources()
            .Select(service =>
                (
                    service.Name, Replicas: service.GetReplicaCount(),
                    IsProbed: service.HasAnnotationOfType<HealthCheckAnnotation>())).ToList());

        Assert.Equal(
            TestPlatform.NamesWithGateway.Order(StringComparer.Ordinal),
            services.Select(service => service.Name).Order(StringComparer.Ordinal));
        Assert.All(services, service => Assert.Equal((service.Name, 3, true), service));
    }

    [Fact]
    public async Task Internal_endpoints_have_no_fixed_port_so_that_two_platforms_do_not_conflict()
    {
        var ports = await ReadAsync("local", model => model.GetProjectResources().Where(service => service.Name is not "gateway")
            .SelectMany(service => service.Annotations.OfType<EndpointAnnotation>().Select(endpoint => endpoint.Port)).ToList());

        Assert.True(ports.Count >= 7);
        Assert.All(ports, Assert.Null);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("container")]
    public async Task Each_database_has_a_login_and_a_secret_password_of_its_own(string source)
    {
        var (names, secrets) = await ReadAsync(source, model => (
            model.Resources.OfType<AppHost.Postgres.ServiceDatabaseResource>().Select(database => database.Name)
                .Order(StringComparer.Ordinal).ToList(),
            model.Resources.OfType<ParameterResource>().Where(parameter => parameter.Secret).Select(parameter => parameter.Name).ToList()));

        Assert.Equal(Databases, names);
        Assert.Superset(
            Databases.Append("postgres").Select(name => $"{name}-password").ToHashSet(StringComparer.Ordinal),
            secrets.ToHashSet(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_PostgreSQL_container_has_a_pinned_image_an_endpoint_a_password_and_a_health_check()
    {
        var server = await ReadAsync("container", model => model.Resources.OfType<PostgresServerResource>().Single());

        Assert.True(server.TryGetLastAnnotation<ContainerImageAnnotation>(out var image));
        Assert.Equal("library/postgres", image.Image);
        Assert.Matches(@"^\d+\.\d+$", image.Tag);
        Assert.Equal(5432, server.Annotations.OfType<EndpointAnnotation>().Single().TargetPort);
        Assert.Equal("postgres-password", server.PasswordParameter.Name);
        Assert.True(server.PasswordParameter.Secret);
        Assert.True(server.HasAnnotationOfType<HealthCheckAnnotation>());
    }

    [Fact]
    public async Task A_container_has_one_volume_per_data_folder_and_none_when_ephemeral()
    {
        using var engine = new FakeContainerEngine();
        var folder = $"--DataFolder={Path.Combine(engine.Folder, "data")}";

        var first = await VolumesAsync(folder);
        var again = await VolumesAsync(folder);
        var other = await VolumesAsync(folder + "-of-another");

        Assert.StartsWith("microplatform-", Assert.Single(first), StringComparison.Ordinal);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);
        Assert.Empty(await VolumesAsync("--Ephemeral=true"));

        Task<List<string?>> VolumesAsync(string folder) => AppModel.ReadAsync([folder, "--Postgres=container", engine.Argument], model =>
            model.Resources.OfType<PostgresServerResource>().Single().Annotations.OfType<ContainerMountAnnotation>()
                .Select(mount => mount.Source).ToList());
    }

    private static async Task<T> ReadAsync<T>(string source, Func<DistributedApplicationModel, T> look)
    {
        using var engine = new FakeContainerEngine();
        return await AppModel.ReadAsync(["--Ephemeral=true", $"--Postgres={source}", engine.Argument], look);
    }

    /// <summary>A fake container engine that answers, for tests that only read the model.</summary>
    private sealed class FakeContainerEngine : IDisposable
    {
        public FakeContainerEngine()
        {
            var docker = Path.Combine(Folder, "docker");
            File.WriteAllText(docker, "#!/bin/sh\nexit 0\n");
            Programs.MakeExecutable(docker);
            Argument = $"--ASPIRE_CONTAINER_RUNTIME={docker}";
        }

        public string Argument { get; }

        public string Folder { get; } = Directory.CreateTempSubdirectory("microplatform-engine-").FullName;

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
