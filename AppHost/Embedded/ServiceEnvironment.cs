namespace MicroPlatform.AppHost;

/// <summary>The environment variables of a service's process, with the keys that Aspire injects.</summary>
internal static class ServiceEnvironment
{
    /// <param name="process">Whose.</param>
    /// <param name="all">The processes of a service.</param>
    /// <param name="connectionString">How the service connects to a database.</param>
    /// <param name="keySecret">What the authorities encrypt their signing keys with.</param>
    /// <param name="certificate">What the entrance speaks TLS with.</param>
    /// <param name="further">Given by who starts the platform; they win.</param>
    public static Dictionary<string, string> Of(
        ServiceProcess process, Func<string, IReadOnlyList<ServiceProcess>> all, Func<string, string> connectionString, string keySecret,
        GatewayCertificate certificate, IReadOnlyDictionary<string, string> further)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["ASPNETCORE_ENVIRONMENT"] = Environment.GetEnvironmentVariable("ASPNETCORE_ENVIRONMENT") ?? "Development",
            ["SeedDemoData"] = "true",
            ["OTEL_SERVICE_NAME"] = process.Service.Name,
            ["OTEL_RESOURCE_ATTRIBUTES"] = string.Join(',', new[] { Environment.GetEnvironmentVariable("OTEL_RESOURCE_ATTRIBUTES"), $"service.instance.id={process.Name}" }.Where(text => !string.IsNullOrEmpty(text))),
        };
        foreach (var (name, address) in process.Endpoints)
        {
            environment[$"Kestrel__Endpoints__{name}__Url"] = address.OriginalString.TrimEnd('/');
        }

        if (process.Service.IsPublic)
        {
            environment["Kestrel__Certificates__Default__Path"] = certificate.CertificateFile;
            environment["Kestrel__Certificates__Default__KeyPath"] = certificate.KeyFile;
        }

        if (all(process.Service.Name).Count == 1)
        {
            environment["Shutdown__Drain"] = "00:00:00"; // it has no other that callers could turn to
        }

        if (process.Service.Name is "customers" or "users")
        {
            environment["Accounts__KeySecret"] = keySecret;
        }

        foreach (var database in process.Service.Databases)
        {
            environment[$"ConnectionStrings__{database}"] = connectionString(database);
        }

        foreach (var reference in process.Service.References)
        {
            foreach (var (replica, target) in all(reference).Index())
            {
                foreach (var (name, address) in target.Endpoints)
                {
                    environment[$"services__{reference}__{name}__{replica}"] = address.OriginalString.TrimEnd('/');
                }
            }
        }

        foreach (var (name, value) in further)
        {
            environment[name] = value;
        }

        return environment;
    }
}
