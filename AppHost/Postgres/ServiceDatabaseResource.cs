using Npgsql;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>A database with a login of its own, which owns it. No other login may connect.</summary>
/// <param name="name">The name of the resource and of the connection string.</param>
/// <param name="nameOnServer">The name of the database and of its login.</param>
/// <param name="password">The password of the login.</param>
/// <param name="server">The server.</param>
internal sealed class ServiceDatabaseResource(
    string name, string nameOnServer, ParameterResource password, IResourceWithConnectionString server)
    : Resource(name), IResourceWithConnectionString, IResourceWithParent<IResourceWithConnectionString>
{
    /// <summary>The most connections that one process keeps to the database. The server's limit follows from it.</summary>
    public const int PoolSize = 30;

    /// <summary>The name of the database and of its login.</summary>
    public string NameOnServer => nameOnServer;

    /// <inheritdoc/>
    public IResourceWithConnectionString Parent => server;

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create($"{new OwnConnectionString(this)}");

    /// <summary>The password of the login.</summary>
    public async ValueTask<string> GetPasswordAsync(CancellationToken ct) => (await password.GetValueAsync(ct))!;

    /// <summary>The server's connection string, for the database's login in place of the superuser.</summary>
    private sealed class OwnConnectionString(ServiceDatabaseResource database) : IValueProvider, IManifestExpressionProvider
    {
        public string ValueExpression => $"{{{database.Name}.connectionString}}";

        public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) =>
            new NpgsqlConnectionStringBuilder(await database.Parent.GetConnectionStringAsync(cancellationToken))
            {
                Username = database.NameOnServer,
                Password = await database.GetPasswordAsync(cancellationToken),
                Database = database.NameOnServer,
                MaxPoolSize = PoolSize,
            }.ConnectionString;
    }
}
