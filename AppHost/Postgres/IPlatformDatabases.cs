namespace MicroPlatform.AppHost.Postgres;

/// <summary>The platform's databases, on the server of a run or on that of a deployment.</summary>
internal interface IPlatformDatabases
{
    /// <summary>Adds a database with a login of its own.</summary>
    /// <param name="name">The name of the resource, and of the connection string that a service gets.</param>
    IResourceBuilder<IResourceWithConnectionString> AddDatabase(string name);
}
