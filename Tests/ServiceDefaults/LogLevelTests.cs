using MicroPlatform.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>Configuration decides what a service logs. Without it a service logs little.</summary>
[Trait("Speed", "slow")]
public sealed class LogLevelTests(Cluster cluster)
{
    private static readonly string[] Categories =
    [
        "Grpc.AspNetCore.Server.ServerCallHandler",
        "Grpc.Net.Client.Internal.GrpcCall",
        "Microsoft.AspNetCore.Hosting.Diagnostics",
        "Microsoft.AspNetCore.Http.Timeouts",
        "Microsoft.EntityFrameworkCore.Database.Command",
        "Microsoft.Extensions.Diagnostics.HealthChecks.DefaultHealthCheckService",
        "Microsoft.Hosting.Lifetime",
        "Polly",
        "Rebus.Retry",
        "System.Net.Http.HttpClient",
        "Yarp.ReverseProxy.Forwarder.HttpForwarder",
    ];

    [Theory]
    [InlineData("todo")]
    [InlineData("gateway")]
    public async Task Every_category_obeys_its_configuration(string service)
    {
        await using var platform = new TestPlatform(cluster);
        foreach (var category in Categories)
        {
            platform.Settings[$"Logging:LogLevel:{category}"] = "Trace";
        }

        var loggers = platform.Services(service).GetRequiredService<ILoggerFactory>();
        Assert.All(Categories, category => Assert.True(loggers.CreateLogger(category).IsEnabled(LogLevel.Trace), category));
    }

    [Fact]
    public async Task Without_configuration_calls_and_statements_are_not_logged_and_database_warnings_are()
    {
        await using var platform = new TestPlatform(cluster);
        platform.Settings.Remove("Logging:LogLevel:Default");
        var loggers = platform.Services("todo").GetRequiredService<ILoggerFactory>();
        Assert.All(Categories, category => Assert.False(loggers.CreateLogger(category).IsEnabled(LogLevel.Information), category));
        Assert.True(loggers.CreateLogger("Microsoft.EntityFrameworkCore.Query").IsEnabled(LogLevel.Warning));
        Assert.True(loggers.CreateLogger("MicroPlatform.Todo.TodoDbContext").IsEnabled(LogLevel.Information));
    }
}
