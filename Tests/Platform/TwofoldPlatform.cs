#if !ASPIRE
using MicroPlatform.AppHost;

namespace MicroPlatform.Tests.Platform;

/// <summary>These tests run eighteen processes, and want the machine for themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TwofoldTestGroup : ICollectionFixture<TwofoldPlatform>
{
    public const string Name = "Twofold";
}

/// <summary>The platform with two replicas of each service.</summary>
public sealed class TwofoldPlatform : IAsyncLifetime
{
    private EmbeddedPlatform platform = null!;

    internal EmbeddedPlatform Engine => platform;

    public async ValueTask InitializeAsync() => platform = await EmbeddedPlatform.StartAsync(
        new()
        {
            Ephemeral = true,
            Replicas = 2,
            Environment = new Dictionary<string, string>(RunningPlatform.Unhurried, StringComparer.Ordinal) { ["Shutdown__Drain"] = "00:00:05" },
        },
        CancellationToken.None);

    public ValueTask DisposeAsync() => platform.DisposeAsync();
}
#endif
