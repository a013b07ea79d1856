using System.Reflection;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Architecture;

/// <summary>Limits that keep the code readable on one screen.</summary>
public sealed class ReadabilityTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const int MaxColumns = 140;
    private const int MaxParameters = 6;

    // Migrations are generated.
    private static readonly string[] Exempt = ["artifacts"];

    public static TheoryData<string> Services => [.. TestPlatform.NamesWithGateway];

    [Fact]
    public void No_line_of_code_is_longer_than_140_columns()
    {
        var files = Directory.EnumerateDirectories(Repository.Root)
            .Where(folder => Path.GetFileName(folder) is [not '.', ..] name && !Exempt.Contains(name, StringComparer.Ordinal))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Where(file => Path.GetExtension(file) is ".sql" || (Path.GetExtension(file) is ".cs" && !IsGenerated(file)))
            .ToList();
        Assert.NotEmpty(files);

        var tooLong = files.SelectMany(file => File.ReadLines(file).Index()
            .Where(line => line.Item.EnumerateRunes().Count() > MaxColumns)
            .Select(line => $"{Path.GetRelativePath(Repository.Root, file)}:{line.Index + 1}"));
        Assert.Empty(tooLong);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void No_handler_takes_more_than_six_parameters(string service)
    {
        var handlers = platform.Services(service).GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints)
            .Select(endpoint => endpoint.Metadata.GetMetadata<MethodInfo>()).OfType<MethodInfo>().ToHashSet();
        Assert.NotEmpty(handlers);

        Assert.DoesNotContain(handlers, handler => handler.GetParameters().Length > MaxParameters);
    }

    private static bool IsGenerated(string file) => Path.GetFileName(Path.GetDirectoryName(file)) is "Migrations";
}
