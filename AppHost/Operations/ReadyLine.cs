using System.Diagnostics;
using System.Globalization;
using MicroPlatform.AppHost.Postgres;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace MicroPlatform.AppHost.Operations;

/// <summary>Writes to the console when everything is healthy, with the addresses and the time it took.</summary>
internal sealed class ReadyLine(
    DistributedApplicationModel model, ResourceNotificationService notifications, IConfiguration configuration, DataFolder folder)
    : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.WhenAll(model.GetProjectResources().Select(service =>
            notifications.WaitForResourceHealthyAsync(service.Name, WaitBehavior.WaitOnResourceUnavailable, stoppingToken)));
        if (model.GetProjectResources().FirstOrDefault(service => service.Name is "gateway") is not { } gateway)
        {
            return; // a test runs a part of the platform
        }

        var elapsed = DateTime.Now - Process.GetCurrentProcess().StartTime;
        var seconds = elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        var (http, https) = (gateway.GetEndpoint("http").Url, gateway.GetEndpoint("https").Url);
        var databases = folder.PathOf(DatabaseLogins.ServiceFileName);
        Console.WriteLine($"Ready after {seconds} s: {http} and {https}{Dashboard()}, databases for psql in {databases}");
    }

    private string Dashboard()
    {
        var address = configuration["ASPNETCORE_URLS"]?.Split(';')[0];
        var token = configuration["AppHost:BrowserToken"];
        return address is null ? "" : $", dashboard {address}{(token is null ? "" : $"/login?t={token}")}";
    }
}
