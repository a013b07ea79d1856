using Azure.Provisioning.PostgreSql;
using Microsoft.Extensions.Configuration;

namespace MicroPlatform.AppHost;

/// <summary>
/// PostgreSQL wherever the platform goes: a container on the developer's machine and under Compose, Azure Database for PostgreSQL
/// in Azure, and on Kubernetes a server that exists. Deployed, each database has a login of its own, which owns it and is alone in being let in.
/// </summary>
internal sealed class PlatformDatabases
{
    // The client's programs come with the server's image; it is the one that AddPostgres runs.
    private const string PostgresTag = "18.3";

    private readonly IDistributedApplicationBuilder _builder;
    private readonly IResourceBuilder<PostgresServerResource>? _container;
    private readonly ReferenceExpression? _host;
    private readonly string _sslMode = "Prefer";
    private readonly List<string> _names = [];

    public PlatformDatabases(IDistributedApplicationBuilder builder, DeploymentTarget target)
    {
        (_builder, Target) = (builder, target);
        switch (target)
        {
            case DeploymentTarget.None:
                _container = builder.AddPostgres("postgres");
                if (builder.Configuration.GetValue("UseVolumes", defaultValue: true))
                {
                    _container.WithDataVolume(); // tests pass UseVolumes=false: a volume would be shared with the developer's own run
                }

                break;
            case DeploymentTarget.Compose:
                var server = builder.AddPostgres("postgres", password: Password("postgres"))
                    .WithDataVolume("postgres-data")
                    .WithArgs("-c", "max_connections=900") // 7 services of 2 replicas with two pools of 30 take up to 840
                    .PublishAsDockerComposeService((_, compose) => compose.Restart = "unless-stopped");
                _host = ReferenceExpression.Create($"{server.Resource.PrimaryEndpoint.Property(EndpointProperty.Host)}");
                Setup = AddSetup("prefer")
                    .WithEnvironment("PGUSER", server.Resource.UserNameReference)
                    .WithEnvironment("PGPASSWORD", ReferenceExpression.Create($"{server.Resource.PasswordParameter}"))
                    .WaitFor(server)
                    .PublishAsDockerComposeService((_, compose) =>
                    {
                        ServiceDeployment.Confine(compose);
                        compose.User = "postgres";
                    });
                break;
            case DeploymentTarget.Kubernetes:
                break; // by reference: the chart's secrets hold the connection strings
            default:
                // The vault keeps the administrator's connection string. By default whoever refers to the server may read it: here nobody may.
                var vault = builder.AddAzureKeyVault("postgres-kv").ClearDefaultRoleAssignments();
                var flexible = builder.AddAzurePostgresFlexibleServer("postgres")
                    .WithPasswordAuthentication(vault, password: Password("postgres"))
                    .ConfigureInfrastructure(ForProduction);
                _sslMode = "VerifyFull";
                _host = flexible.Resource.Host;
                // A job that repeats needs nobody to start it: on the first deployment it makes the logins, later it sets changed passwords.
                Setup = AddSetup("require")
                    .WithEnvironment("PGUSER", flexible.Resource.UserName!)
                    .WithEnvironment("PGPASSWORD", flexible.Resource.Password!)
                    .PublishAsScheduledAzureContainerAppJob("*/5 * * * *", (_, job) => job.Configuration.ReplicaTimeout = 240);
                break;
        }
    }

    public DeploymentTarget Target { get; }

    /// <summary>Makes the logins and databases, then ends; null when run, where Aspire makes the databases, and on Kubernetes, where they exist.</summary>
    public IResourceBuilder<ContainerResource>? Setup { get; }

    /// <summary>A database, which the services that refer to it know by its name.</summary>
    public IResourceBuilder<IResourceWithConnectionString> AddDatabase(string name)
    {
        if (_container is not null)
        {
            return _container.AddDatabase(name);
        }

        if (Setup is null)
        {
            // Publishing asks for a value, though the chart leaves it to whoever installs it.
            _builder.Configuration[$"ConnectionStrings:{name}"] ??= $"Host=postgres;Database={name};Username={name}";
            return _builder.AddConnectionString(name);
        }

        var password = Password(name);
        _names.Add(name);
        Setup.WithEnvironment($"{name.ToUpperInvariant()}_PASSWORD", password);
        // 7 services of at most 4 replicas with two pools of 30 are 1,680 connections, which the server in ForProduction admits.
        return _builder.AddConnectionString(name, ReferenceExpression.Create(
            $"Host={_host!};Port=5432;Database={name};Username={name};Password={password};SSL Mode={_sslMode};Maximum Pool Size=30"));
    }

    // Without special characters, as it stands in connection strings.
    private IResourceBuilder<ParameterResource> Password(string name) =>
        _builder.AddParameter($"{name}-password", new GenerateParameterDefault { MinLength = 32, Special = false }, secret: true);

    private IResourceBuilder<ContainerResource> AddSetup(string sslMode)
    {
        var template = File.ReadAllText(Path.Combine(_builder.AppHostDirectory, "Deployment", "database.sql"));
        return _builder.AddContainer("databases", "library/postgres", PostgresTag)
            .WithImageRegistry("docker.io")
            .WithEnvironment("PGHOST", _host!)
            .WithEnvironment("PGDATABASE", "postgres")
            .WithEnvironment("PGSSLMODE", sslMode)
            .WithEntrypoint("sh")
            .WithArgs(context =>
            {
                context.Args.Add("-c");
                context.Args.Add($"until pg_isready; do sleep 1; done; psql --no-psqlrc --quiet <<'SQL'\n{string.Concat(_names.Select(name => Fill(template, name)))}SQL\n");
            });
    }

    private static string Fill(string template, string name) =>
        template.Replace("%name%", name, StringComparison.Ordinal).Replace("%NAME%", name.ToUpperInvariant(), StringComparison.Ordinal);

    private static void ForProduction(Aspire.Hosting.Azure.AzureResourceInfrastructure infrastructure)
    {
        var server = infrastructure.GetProvisionableResources().OfType<PostgreSqlFlexibleServer>().Single();
        server.Sku = new PostgreSqlFlexibleServerSku { Name = "Standard_D4ds_v5", Tier = PostgreSqlFlexibleServerSkuTier.GeneralPurpose };
        server.HighAvailability = new PostgreSqlFlexibleServerHighAvailability { Mode = PostgreSqlFlexibleServerHighAvailabilityMode.ZoneRedundant };
        server.Backup = new PostgreSqlFlexibleServerBackupProperties
        {
            BackupRetentionDays = 14,
            GeoRedundantBackup = PostgreSqlFlexibleServerGeoRedundantBackupEnum.Enabled,
        };
        var extensions = new PostgreSqlFlexibleServerConfiguration("extensions")
        {
            Parent = server,
            Name = "azure.extensions",
            Source = "user-override",
            Value = "PG_TRGM", // migrations index text by trigrams
        };
        // The server refuses a change while it makes another.
        foreach (var rule in infrastructure.GetProvisionableResources().OfType<PostgreSqlFlexibleServerFirewallRule>().ToList())
        {
            extensions.DependsOn.Add(rule);
        }

        infrastructure.Add(extensions);
    }
}
