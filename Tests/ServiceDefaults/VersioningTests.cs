using System.Diagnostics.Metrics;
using System.Net;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>A second version of one resource beside the first, as in docs/versioning.md, with a resource invented for this.</summary>
public sealed class VersioningTests : IAsyncLifetime
{
    private static readonly string[] Teas = ["Earl Grey", "Sencha"];

    private WebApplication app = null!;
    private HttpClient http = null!;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseTestServer();
        builder.AddServiceDefaults();
        // Called through a delegate: for a direct call the XML comment generator needs a namespace of its own in this project.
        Func<IServiceCollection, string, Action<OpenApiOptions>, IServiceCollection> add = OpenApiServiceCollectionExtensions.AddOpenApi;
        add(builder.Services, "teas", OpenApi.With());
        app = builder.Build();
        app.UseServiceDefaults();
        var old = app.MapApi("/teas", "Teas").Deprecated(since: new(2026, 11, 1), sunset: new(2027, 5, 1), "https://api.example/teas-v2");
        old.MapGet("/", () => TypedResults.Ok("Earl Grey"));
        old.MapGet("/none", string () => throw ProblemException.NotFound("tea", "none"));
        app.MapApi("/teas", "Teas", version: 2).MapGet("/", () => TypedResults.Ok(Teas));
        app.MapApi("/cups", "Cups").MapGet("/", () => TypedResults.Ok(6));
        app.MapOpenApi();
        await app.StartAsync(TestContext.Current.CancellationToken);
        http = app.GetTestClient();
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await app.DisposeAsync();
    }

    [Fact]
    public async Task Both_versions_answer_and_only_the_old_version_has_deprecation_headers()
    {
        using var old = await http.SendAsync("GET", "/api/v1/teas");
        Assert.Equal(
            ("@1793491200", "Sat, 01 May 2027 00:00:00 GMT", "<https://api.example/teas-v2>; rel=\"deprecation\""),
            (Header(old, "Deprecation"), Header(old, "Sunset"), Header(old, "Link")));
        Assert.Equal("Earl Grey", (await Task.FromResult(old).JsonAsync()).GetString());

        using var present = await http.SendAsync("GET", "/api/v2/teas");
        Assert.Equal((null, null, null), (Header(present, "Deprecation"), Header(present, "Sunset"), Header(present, "Link")));
        Assert.Equal(2, (await Task.FromResult(present).JsonAsync()).GetArrayLength());

        using var other = await http.SendAsync("GET", "/api/v1/cups");
        Assert.Null(Header(other, "Deprecation"));
        Assert.Equal(HttpStatusCode.NotFound, await http.SendAsync("GET", "/api/v2/cups").StatusAsync());
    }

    [Fact]
    public async Task An_error_of_the_old_version_has_the_deprecation_header_too()
    {
        using var response = await http.SendAsync("GET", "/api/v1/teas/none");
        Assert.Equal((HttpStatusCode.NotFound, "@1793491200"), (response.StatusCode, Header(response, "Deprecation")));
    }

    [Fact]
    public async Task OpenAPI_lists_both_versions_and_marks_the_old_one_as_deprecated()
    {
        var paths = (await http.SendAsync("GET", "/openapi/teas.json").JsonAsync()).GetProperty("paths");
        Assert.True(paths.GetProperty("/api/v1/teas").GetProperty("get").GetProperty("deprecated").GetBoolean());
        Assert.False(paths.GetProperty("/api/v2/teas").GetProperty("get").TryGetProperty("deprecated", out _));
    }

    [Fact]
    public async Task Calls_of_the_old_version_are_counted_by_route()
    {
        var routes = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name is "microplatform.api.deprecated_calls")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => routes.AddRange(tags.ToArray().Select(tag => $"{tag.Value}")));
        listener.Start();
        await http.SendAsync("GET", "/api/v1/teas/none").StatusAsync();
        await http.SendAsync("GET", "/api/v2/teas").StatusAsync();
        Assert.Equal(["/api/v1/teas/none"], routes);
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.Single() : null;
}
