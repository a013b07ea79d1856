using MicroPlatform.AppHost.Postgres;

namespace MicroPlatform.AppHost.Deployment;

/// <summary>Azure Database for PostgreSQL, as <c>infra/postgres.bicep</c> makes it.</summary>
internal sealed class AzurePostgres : IPlatformDatabases
{
    // 28 replicas (7 services, at most 4 of each) have two pools each, and twice as many while a new version replaces the old one:
    // 1,344 connections plus the listeners, of the 1,718 that a server with 4 cores allows (Azure's limits for flexible servers).
    private const string PoolSize = "12";

    private readonly IDistributedApplicationBuilder _builder;
    private readonly BicepResource _server;

    private AzurePostgres(IDistributedApplicationBuilder builder, BicepResource server) => (_builder, _server) = (builder, server);

    /// <summary>Adds the server.</summary>
    public static AzurePostgres Add(IDistributedApplicationBuilder builder, string name)
    {
        var server = new BicepResource(name, Path.Combine(builder.AppHostDirectory, "infra", $"{name}.bicep"));
        builder.AddResource(server).WithManifestPublishingCallback(server.WriteToManifest);
        server.Parameters["containerAppEnvironmentId"] = ""; // left empty, azd fills it in
        server.Parameters["administratorPassword"] = ValueOf(builder.AddGeneratedSecret($"{name}-password", folder: null));
        return new(builder, server);
    }

    /// <inheritdoc/>
    public IResourceBuilder<IResourceWithConnectionString> AddDatabase(string name)
    {
        var password = _builder.AddGeneratedSecret($"{name}-password", folder: null);
        _server.Parameters[$"{name}Password"] = ValueOf(password);
        var host = _server.Output("host");
        return _builder.AddConnectionString(name, ReferenceExpression.Create(
            $"Host={host};Database={name};Username={name};Password={password};SSL Mode=VerifyFull;Maximum Pool Size={PoolSize}"));
    }

    private static string ValueOf(IResourceBuilder<ParameterResource> parameter) => parameter.Resource.ValueExpression;
}
