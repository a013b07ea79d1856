namespace MicroPlatform.AppHost;

/// <summary>Where each process listens. Settled for all before any starts, as each is told where the others will be.</summary>
internal static class Placement
{
    /// <exception cref="EngineException">A port that does not change is in use.</exception>
    public static IEnumerable<(Service Service, int Replica, IReadOnlyDictionary<string, Uri> Endpoints)> Of(EmbeddedPlatformOptions options)
    {
        foreach (var service in options.Services)
        {
            var settings = BuildOutput.Endpoints(service);
            for (var replica = 0; replica < options.Replicas; replica++)
            {
                yield return (service, replica, settings.ToDictionary(endpoint => endpoint.Key, endpoint => Place(options, service, endpoint.Value, replica), StringComparer.Ordinal));
            }
        }
    }

    private static Uri Place(EmbeddedPlatformOptions options, Service service, Uri wanted, int replica)
    {
        var host = service.IsPublic ? "localhost" : "127.0.0.1";
        var option = !service.IsPublic ? null : string.Equals(wanted.Scheme, Uri.UriSchemeHttps, StringComparison.Ordinal) ? options.HttpsPort : options.HttpPort;
        int? preferred = replica > 0 ? null : option ?? (options.Ephemeral ? null : wanted.Port);
        var port = Ports.Take(preferred);
        if (preferred is not null && port != preferred && service.IsPublic)
        {
            Ports.Return(port);
            throw new EngineException(
                $"Port {preferred} for the Gateway is in use by another program ({Ports.HowToAsk(preferred.Value)} tells which). Stop that one, or choose others with --port and --https-port.");
        }

        return new UriBuilder(wanted.Scheme, host, port).Uri;
    }
}
