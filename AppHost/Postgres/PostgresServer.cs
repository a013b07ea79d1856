using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>
/// The platform's PostgreSQL server: an external one, a container, or this machine's own programs.
/// Everything above it is the same for all three.
/// </summary>
/// <param name="resource">The server's resource.</param>
/// <param name="logins">Its databases and their logins.</param>
/// <param name="folder">The folder of the run.</param>
internal sealed class PostgresServer(IResourceBuilder<IResourceWithConnectionString> resource, DatabaseLogins logins, DataFolder folder)
    : IPlatformDatabases
{
    /// <summary>The server's resource.</summary>
    public IResourceBuilder<IResourceWithConnectionString> Resource { get; } = resource;

    /// <summary>Its databases and their logins.</summary>
    public DatabaseLogins Logins { get; } = logins;

    /// <summary>The folder of the run.</summary>
    public DataFolder Folder { get; } = folder;

    /// <summary>Adds the server as the setting <c>Postgres</c> says.</summary>
    /// <exception cref="StartupException">This machine cannot provide the server; the message says what to do.</exception>
    public static async Task<PostgresServer> AddAsync(
        IDistributedApplicationBuilder builder, string name, PlatformSettings settings, DataFolder folder)
    {
        var source = await ChooseAsync(builder, name, settings.Postgres);
        IResourceBuilder<IResourceWithConnectionString> server = source switch
        {
            PostgresSource.External => await ExternalPostgresResource.AddAsync(builder, name),
            PostgresSource.Container => AddContainer(builder, name, folder),
            _ => await LocalPostgresResource.AddAsync(builder, name, folder, settings.Replicas),
        };
        var logins = new DatabaseLogins(server.Resource, folder, isShared: source == PostgresSource.External, settings.Reset);
        builder.Services.AddSingleton(logins);
        server.OnResourceReady((_, ready, ct) => logins.CreateAsync(ready.Services, ct));
        return new(server, logins, folder);
    }

    /// <summary>Adds a database with a login of its own. It runs as soon as both exist.</summary>
    public IResourceBuilder<IResourceWithConnectionString> AddDatabase(string name)
    {
        var builder = Resource.ApplicationBuilder;
        var password = builder.AddGeneratedSecret($"{name}-password", Folder);
        var database = new ServiceDatabaseResource(name, Logins.NameOnServer(name), password.Resource, Resource.Resource);
        Logins.Databases.Add(database);
        return builder.AddResource(database)
            .WithIconName("Database")
            .WithInitialState(new() { ResourceType = "Database", State = KnownResourceStates.NotStarted, Properties = [] })
            .ExcludeFromManifest();
    }

    private static async Task<PostgresSource> ChooseAsync(IDistributedApplicationBuilder builder, string name, PostgresSource wanted)
    {
        var runtime = builder.Configuration["ASPIRE_CONTAINER_RUNTIME"];
        var isNamed = builder.Configuration.GetConnectionString(name) is { Length: > 0 };
        return wanted switch
        {
            PostgresSource.External when !isNamed => throw new StartupException("The setting Postgres is external: "
                + $"name the server with --ConnectionStrings:{name}=\"Host=…;Username=…;Password=…\"."),
            PostgresSource.Container when !await ContainerEngine.IsRunningAsync(runtime) => throw new StartupException(
                "The setting Postgres is container, and no container engine answers. Start Docker or Podman, or choose --Postgres=local."),
            PostgresSource.Auto when isNamed => PostgresSource.External,
            PostgresSource.Auto => await ContainerEngine.IsRunningAsync(runtime) ? PostgresSource.Container : PostgresSource.Local,
            _ => wanted,
        };
    }

    // The volume is named after a secret of the data folder, so that a new folder never gets an old volume with another password.
    private static IResourceBuilder<PostgresServerResource> AddContainer(
        IDistributedApplicationBuilder builder, string name, DataFolder folder)
    {
        var server = builder.AddPostgres(name, password: builder.AddGeneratedSecret($"{name}-password", folder));
        return folder.IsTemporary ? server : server.WithDataVolume($"microplatform-{folder.Secret("volume")[..12].ToLowerInvariant()}");
    }
}

/// <summary>A server that runs already.</summary>
internal sealed class ExternalPostgresResource(string name, string connectionString)
    : Resource(name), IResourceWithConnectionString, IResourceWithWaitSupport
{
    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create($"{connectionString}");

    /// <exception cref="StartupException">
    /// The connection string is malformed, the server does not answer, or the login may not create what the platform needs.
    /// </exception>
    public static async Task<IResourceBuilder<ExternalPostgresResource>> AddAsync(IDistributedApplicationBuilder builder, string name)
    {
        try
        {
            var given = builder.Configuration.GetConnectionString(name);
            var connectionString = new NpgsqlConnectionStringBuilder(given) { Pooling = false }.ConnectionString;
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(
                "SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user", connection);
            if (await command.ExecuteScalarAsync() is not true)
            {
                throw new StartupException($"The login of ConnectionStrings:{name} may not create databases and logins. "
                    + "Allow it with ALTER ROLE login CREATEDB CREATEROLE, or name another.");
            }

            return builder.AddResource(new ExternalPostgresResource(name, connectionString))
                .WithIconName("DatabaseMultiple")
                .OnInitializeResource((server, start, _) =>
                    start.Notifications.PublishUpdateAsync(server, state => state with { State = KnownResourceStates.Running }));
        }
        catch (Exception malformed) when (malformed is ArgumentException or FormatException)
        {
            throw new StartupException(
                $"ConnectionStrings:{name} is malformed. Write it as Host=localhost;Username=postgres;Password=...", malformed);
        }
        catch (NpgsqlException silent)
        {
            throw new StartupException($"The server that ConnectionStrings:{name} names cannot be used: {silent.Message}", silent);
        }
    }
}
