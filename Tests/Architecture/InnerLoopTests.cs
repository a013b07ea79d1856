using System.Reflection;

namespace MicroPlatform.Tests.Architecture;

/// <summary>Keeps the tests of the inner loop fast (CONTRIBUTING.md).</summary>
public sealed class InnerLoopTests
{
    private static readonly string[] SlowFolders = ["Platform", "Browser", "Flow"];

    [Fact]
    public void Tests_of_processes_browsers_and_whole_flows_are_marked_as_slow()
    {
        var slow = typeof(InnerLoopTests).Assembly.GetTypes()
            .Where(type => SlowFolders.Contains(type.Namespace?.Split('.')[^1], StringComparer.Ordinal))
            .Where(type => type.GetMethods().Any(method => method.IsDefined(typeof(FactAttribute))))
            .ToList();
        Assert.NotEmpty(slow);
        Assert.All(
            slow,
            type => Assert.Contains(type.GetCustomAttributes<TraitAttribute>(), trait => trait is { Name: "Speed", Value: "slow" }));
    }
}
