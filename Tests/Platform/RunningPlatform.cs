namespace MicroPlatform.Tests.Platform;

/// <summary>Tests of real processes share one platform, and no other test runs at the same time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class PlatformTestGroup : ICollectionFixture<RunningPlatform>, ICollectionFixture<Browser.Chromium>
{
    public const string Name = "Platform";
}

/// <summary>The whole platform in its own processes, reached as its users reach it: through the Gateway.</summary>
public sealed class RunningPlatform : IAsyncLifetime
{
    private AspirePlatform platform = null!;
    private TelemetryReceiver telemetry = null!;

    internal AspirePlatform Engine => platform;

    internal TelemetryReceiver Telemetry => telemetry;

    /// <summary>A client of the Gateway over HTTPS, which trusts this run's certificate and no other.</summary>
    public HttpClient Https() => platform.Https();

    /// <summary>A client of the Gateway over HTTP.</summary>
    public HttpClient Http() => platform.Http();

    public async ValueTask InitializeAsync()
    {
        telemetry = await TelemetryReceiver.StartAsync();
        platform = await AspirePlatform.StartAsync(
            ["--Ephemeral=true"], AspirePlatform.Unhurried.Concat(telemetry.Environment).ToDictionary(StringComparer.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await platform.DisposeAsync();
        await telemetry.DisposeAsync();
    }
}

/// <summary>These tests run eighteen processes, so no other test runs at the same time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TwofoldTestGroup : ICollectionFixture<TwofoldPlatform>
{
    public const string Name = "Twofold";
}

/// <summary>The platform with two replicas of each service.</summary>
public sealed class TwofoldPlatform : IAsyncLifetime
{
    private AspirePlatform platform = null!;

    internal AspirePlatform Engine => platform;

    public async ValueTask InitializeAsync() => platform = await AspirePlatform.StartAsync(
        ["--Ephemeral=true", "--Replicas=2"],
        new Dictionary<string, string>(AspirePlatform.Unhurried, StringComparer.Ordinal) { ["Shutdown__Drain"] = "00:00:05" });

    public ValueTask DisposeAsync() => platform.DisposeAsync();
}
