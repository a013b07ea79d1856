using System.Text.Json.Nodes;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Tests.Gateway;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// Tests of rules for all endpoints share one platform behind its Gateway. They delete only data that they added.
/// </summary>
[CollectionDefinition(Name)]
public sealed class ContractTestGroup : ICollectionFixture<ContractFixture>
{
    public const string Name = "Contract";
}

/// <summary>The whole platform behind its Gateway, and the documents that it serves there.</summary>
public sealed class ContractFixture(Cluster cluster) : IAsyncLifetime
{
    /// <summary>Every service that has a document.</summary>
    public static readonly string[] Services = TestPlatform.NamesWithGateway;

    private readonly Dictionary<string, JsonObject> documents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> tokens = new(StringComparer.Ordinal);
    private GatewayHost gateway = null!;

    public TestPlatform Platform { get; } = new(cluster);

    internal HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        gateway = GatewayHost.Start(Platform);
        Http = gateway.Http();
        foreach (var service in Services)
        {
            documents[service] = (JsonObject)JsonNode.Parse(await Http.GetStringAsync(
                new Uri($"/openapi/{service}.json", UriKind.Relative), TestContext.Current.CancellationToken))!;
            tokens[service] = service is "customers" or "cart"
                ? await Platform.CustomerTokenAsync("admin1@email.com")
                : await Platform.UserTokenAsync("admin");
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await gateway.DisposeAsync();
        await Platform.DisposeAsync();
    }

    internal JsonObject Document(string service) => documents[service];

    /// <summary>A token of the account with the most rights in the service.</summary>
    internal string Token(string service) => tokens[service];

    /// <summary>Every operation in the service's document. Fails if there is none, because the tests would then check nothing.</summary>
    internal IReadOnlyList<Operation> Operations(string service)
    {
        List<Operation> operations =
        [
            .. from path in documents[service]["paths"]!.AsObject()
               from operation in path.Value!.AsObject()
               select new Operation(documents[service], operation.Key.ToUpperInvariant(), path.Key, operation.Value!.AsObject()),
        ];
        Assert.NotEmpty(operations);
        return operations;
    }

    /// <summary>Sends a request with the service's token.</summary>
    internal Task<HttpResponseMessage> SendAsync(
        string service, string method, string address, JsonNode? body = null, params (string Name, string Value)[] headers) =>
        Http.SendAsync(method, address, body?.ToJsonString(), Token(service), headers);
}
