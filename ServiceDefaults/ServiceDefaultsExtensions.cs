using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Set-up that all services share: one call on the builder, one on the application.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>The largest request body that any service accepts, in bytes (1 MiB); beyond it the answer is 413.</summary>
    public const long MaxRequestBodyBytes = 1024 * 1024;

    // Services are in one network, so a machine that does not answer in this time is gone.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Adds telemetry, health, service discovery, JSON and error conventions, and request limits.</summary>
    public static WebApplicationBuilder AddServiceDefaults(this WebApplicationBuilder builder)
    {
        builder.CheckCommonSettings();
        builder.AddTelemetry();
        builder.Services.AddHealthChecks().AddCheck("self", () => HealthCheckResult.Healthy(), ["live"]);
        builder.Services.AddServiceDiscovery();
        builder.Services.ConfigureHttpClientDefaults(http => http
            .UseSocketsHttpHandler((handler, _) => handler.ConnectTimeout = ConnectTimeout)
            .AddRetries()
            .AddServiceDiscovery());
        builder.AddDraining();
        builder.Services.AddRequestTimeouts();
        builder.Services.AddProblems();
        builder.Services.AddJsonConventions();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBodyBytes;
        });

        return builder;
    }

    /// <summary>Adds the middleware that every service shares, and its health endpoints, in every environment.</summary>
    /// <param name="app">The service.</param>
    /// <param name="useCaller">Adds middleware that needs the caller and runs before authorization.</param>
    public static WebApplication UseServiceDefaults(this WebApplication app, Action<WebApplication>? useCaller = null)
    {
        app.Use(app.Services.GetRequiredService<Draining>().AnnounceAsync);
        app.UseSecurityHeaders();
        app.UseProblems();
        app.UseGrpcStatuses();
        app.UseRouting();
        app.UseDeprecations();
        // gRPC calls carry their own deadlines.
        app.UseWhen(context => !context.IsGrpc(), rest => rest.UseRequestTimeouts().Use(EndAsCancelledAsync));
        if (useCaller is null)
        {
            app.Use(Telemetry.SendRouteHeaderAsync);
            app.UseRoutingAnswers();
        }

        if (app.Services.GetService<Microsoft.AspNetCore.Authentication.IAuthenticationSchemeProvider>() is not null)
        {
            app.UseAuthentication();
            if (useCaller is not null)
            {
                useCaller(app);
                app.UseRoutingAnswers();
            }

            app.UseAuthorization();
        }

        app.UseIdempotency();
        app.MapHealth("/health/live", "live");
        app.MapHealth("/health/ready", "ready");
        return app;
    }

    /// <summary>
    /// Runs the service, or, with <c>--migrate</c>, only brings its database up to date (exit code 0, or 1 if that failed). A wrong setting
    /// ends both at once; an address in use ends only a normal run.
    /// </summary>
    public static async Task<int> RunServiceAsync(this WebApplication app, string[] args)
    {
        var migrating = args.Contains("--migrate", StringComparer.Ordinal);
        if ((app.FirstWrongSetting(migrating) ?? (migrating ? null : app.FirstUnusableAddress())) is { } wrong)
        {
            await Console.Error.WriteLineAsync(wrong);
            return Settings.ExitCode;
        }

        if (migrating)
        {
            return await app.Services.MigrateOnlyAsync();
        }

        var listening = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>();
        app.Lifetime.ApplicationStarted.Register(() => app.Logger.LogInformation("Listening at {Addresses}", listening?.Addresses));
        await app.RunAsync();
        return Environment.ExitCode;
    }

    /// <summary>
    /// Answers 404, 405 and 415 of routing before authorization, because a 401 would mislead the caller. Answers OPTIONS with the verbs of
    /// the path.
    /// </summary>
    private static void UseRoutingAnswers(this WebApplication app) => app.Use(async (context, next) =>
    {
        switch (context.GetEndpoint())
        {
            case RouteEndpoint endpoint:
                if (endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null)
                {
                    context.RequireGrpc();
                }

                await next(context);
                break;
            case { RequestDelegate: { } answer }:
                await answer(context);
                if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
                {
                    context.Response.Headers.Allow = $"{context.Response.Headers.Allow}, {HttpMethods.Options}";
                    context.Response.StatusCode = HttpMethods.IsOptions(context.Request.Method)
                        ? StatusCodes.Status204NoContent
                        : StatusCodes.Status405MethodNotAllowed;
                }

                break;
            default:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    });

    /// <summary>
    /// Turns the failures of a cancelled request into one cancellation; a gRPC client, for example, throws its own exception.
    /// </summary>
    private static async Task EndAsCancelledAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (Exception failure) when (failure is not (OperationCanceledException or ProblemException)
            && context.RequestAborted.IsCancellationRequested)
        {
            throw new OperationCanceledException("The request was called off.", failure, context.RequestAborted);
        }
    }

    private static void UseSecurityHeaders(this WebApplication app) => app.Use((context, next) =>
    {
        // Set last, so that an answer that passes the Gateway does not carry them twice.
        context.Response.OnStarting(() =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers.XFrameOptions = "DENY";
            return Task.CompletedTask;
        });
        return next(context);
    });

    private static void MapHealth(this WebApplication app, string path, string tag) =>
        app.MapHealthChecks(path, new HealthCheckOptions { Predicate = check => check.Tags.Contains(tag) })
            .WithMetadata(new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head]))
            .AllowAnonymous();
}
