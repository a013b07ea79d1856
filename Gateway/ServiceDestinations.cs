using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.ServiceDiscovery;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace MicroPlatform.Gateway;

/// <summary>Lets YARP find replicas by service discovery, and find them again whenever they change.</summary>
internal sealed class ServiceDestinations(ServiceEndpointResolver resolver) : IDestinationResolver
{
    public async ValueTask<ResolvedDestinationCollection> ResolveDestinationsAsync(
        IReadOnlyDictionary<string, DestinationConfig> destinations, CancellationToken cancellationToken)
    {
        var replicas = new Dictionary<string, DestinationConfig>(StringComparer.OrdinalIgnoreCase);
        var changes = new List<IChangeToken>();
        foreach (var (_, destination) in destinations)
        {
            var source = await resolver.GetEndpointsAsync(destination.Address, cancellationToken);
            changes.Add(source.ChangeToken);
            foreach (var endpoint in source.Endpoints)
            {
                var address = AddressOf(endpoint, new Uri(destination.Address).Scheme);
                replicas[address] = new() { Address = address };
            }
        }

        return new(replicas, new CompositeChangeToken(changes));
    }

    /// <summary>Where a replica is, without a path.</summary>
    public static string AddressOf(ServiceEndpoint endpoint, string scheme) => endpoint.EndPoint is UriEndPoint { Uri: var uri }
        ? uri.GetLeftPart(UriPartial.Authority)
        : $"{scheme}://{endpoint}";
}
