namespace MicroPlatform.Tests.Gateway;

/// <summary>The Gateway in front of a fake of each service, for a class whose tests break nothing.</summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    internal FakePlatform Behind { get; private set; } = null!;

    internal GatewayHost Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Behind = await FakePlatform.StartAsync();
        Gateway = GatewayHost.Start(Behind, settings: ("Cors:Origins:0", "https://shop.example"));
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Behind.DisposeAsync();
    }
}
