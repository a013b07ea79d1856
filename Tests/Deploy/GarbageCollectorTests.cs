using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Deploy;

/// <summary>The runtime of every service uses the garbage collector that <c>Directory.Build.props</c> chooses.</summary>
public sealed class GarbageCollectorTests
{
    public static TheoryData<string> Services => [.. TestPlatform.NamesWithGateway.Select(TestPlatform.ProjectOf)];

    [Theory]
    [MemberData(nameof(Services))]
    public void A_service_uses_the_concurrent_server_garbage_collector(string service)
    {
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, $"{service}.runtimeconfig.json")));
        var properties = config.RootElement.GetProperty("runtimeOptions").GetProperty("configProperties");
        Assert.True(properties.GetProperty("System.GC.Server").GetBoolean());
        Assert.True(properties.GetProperty("System.GC.Concurrent").GetBoolean());
    }
}
