using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;
using Yarp.ReverseProxy.ServiceDiscovery;
using Yarp.ReverseProxy.Transforms;

namespace MicroPlatform.Gateway;

/// <summary>Passes calls on to the services, and says in the platform's own words when one does not answer.</summary>
internal static class Proxy
{
    public static void AddProxy(this WebApplicationBuilder builder)
    {
        var options = builder.AddSettings<ProxyOptions>("Proxy");
        foreach (var (route, service, endpoint) in Routes.Endpoints)
        {
            builder.RequireService(service, endpoint, $"; {route} leads there");
        }

        builder.Services.AddReverseProxy()
            .LoadFromMemory(Routes.ForYarp(), Routes.Clusters(options))
            .AddTransforms(transforms => transforms.AddResponseTransform(response =>
            {
                // Between a replica and the Gateway only.
                var context = response.HttpContext;
                if (context.Response.Headers.Remove(Draining.HeaderName))
                {
                    context.Features.GetRequiredFeature<Attempt>().IsDraining = true;
                }

                if (context.Response.Headers.Remove(Telemetry.RouteHeader, out var route))
                {
                    context.Items[Telemetry.RouteHeader] = route.ToString();
                }

                return default;
            }))
            .ConfigureHttpClient((_, handler) =>
            {
                handler.ConnectTimeout = options.ConnectTimeout;
                // As the server reads them; otherwise a header beyond ASCII cannot be sent, and the replica would be thought dead.
                handler.RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8;
                // A name may come to mean other machines.
                handler.PooledConnectionLifetime = TimeSpan.FromMinutes(2);
                handler.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
                handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
            });
        // What fails is logged once, in a line, where the caller is told.
        builder.Logging.AddFilter("Yarp.ReverseProxy.Forwarder.HttpForwarder", LogLevel.Error);
        builder.Services.AddSingleton<IDestinationResolver, ServiceDestinations>();
        builder.Services.AddSingleton<IPassiveHealthCheckPolicy, FirstFailurePolicy>();
    }

    public static void MapProxy(this WebApplication app) => app.MapReverseProxy(proxy =>
    {
        proxy.Use(ForwardAsync);
        proxy.UseLoadBalancing();
        proxy.UsePassiveHealthChecks();
    });

    private static async Task ForwardAsync(HttpContext context, RequestDelegate next)
    {
        var proxy = context.GetReverseProxyFeature();
        if (proxy.Cluster.Config.HttpRequest!.Version!.Major == 2)
        {
            RequireGrpc(context);
        }

        var isRead = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method) || Routes.IsGrpcRead(context.Request.Path);
        if (isRead && !HttpMethods.IsGet(context.Request.Method))
        {
            context.Request.EnableBuffering(); // the message of a call that may have to be sent again
        }

        if (!isRead && !context.Request.Headers.ContainsKey(Idempotency.HeaderName))
        {
            // It will not be tried elsewhere, so it is no test of whether a replica that failed is back.
            var trusted = proxy.AvailableDestinations.Where(FirstFailurePolicy.IsTrusted).ToList();
            proxy.AvailableDestinations = trusted.Count > 0 ? trusted : proxy.AvailableDestinations;
        }

        context.Features.Set(new Attempt());
        await next(context);
        List<DestinationState>? untried = null;
        while (context.GetForwarderErrorFeature() is { } failure && !context.Response.HasStarted)
        {
            untried ??= [.. proxy.AllDestinations];
            untried.Remove(proxy.ProxiedDestination!);
            if (untried.Count == 0 || !MayTryAnother(context.Request, isRead, failure))
            {
                await RefuseAsync(context, failure, proxy);
                return;
            }

            context.Features.Set<IForwarderErrorFeature>(null);
            context.Response.Clear();
            if (context.Request.Body.CanSeek)
            {
                context.Request.Body.Position = 0;
            }

            proxy.AvailableDestinations = untried;
            context.Features.Set(new Attempt());
            await next(context);
        }
    }

    private static void RequireGrpc(HttpContext context)
    {
        if (!HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            throw new ProblemException(StatusCodes.Status426UpgradeRequired, "gRPC needs HTTP/2; call the https address.");
        }

        if (!context.IsGrpc())
        {
            throw new ProblemException(StatusCodes.Status415UnsupportedMediaType, "This is a gRPC method; its content type is application/grpc. The same is at /api/v1 for JSON.");
        }
    }

    /// <summary>
    /// What changes nothing goes to another replica when the first gave no answer; what may change something only
    /// if it carries a key that makes it happen once, and then only if the first replica never saw it.
    /// </summary>
    private static bool MayTryAnother(HttpRequest request, bool isRead, IForwarderErrorFeature failure) => isRead
        ? failure.Exception.NeverArrived() || failure.Error is ForwarderError.Request or ForwarderError.RequestBodyDestination
        : failure.Exception.NeverArrived() && request.Headers.ContainsKey(Idempotency.HeaderName);

    private static Task RefuseAsync(HttpContext context, IForwarderErrorFeature failure, IReverseProxyFeature proxy)
    {
        switch (failure.Error)
        {
            case ForwarderError.RequestBodyClient:
                // Its status says what was wrong with the body (413, 408, 400); the body is written where all such are.
                return Task.CompletedTask;
            case ForwarderError.RequestCanceled or ForwarderError.RequestBodyCanceled or ForwarderError.ResponseBodyCanceled:
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return Task.CompletedTask;
            default:
                context.Response.Clear();
                var service = proxy.Cluster.Config.ClusterId.Split('.')[0];
                context.RequestServices.GetRequiredService<ILogger<ProxyOptions>>().LogWarning(
                    "{Service} did not answer {Route}: {Error}, {Reason}", service, proxy.Route.Config.RouteId, failure.Error, failure.Exception?.Message);
                Activity.Current?.SetStatus(ActivityStatusCode.Error, $"{service}: {failure.Error}, {failure.Exception?.Message}");
                return context.WriteProblemAsync(ProblemException.Unavailable($"The {service} service does not answer; try again shortly."));
        }
    }
}

/// <summary>What is known of a request to one replica.</summary>
internal sealed class Attempt
{
    public long StartedAt { get; } = TimeProvider.System.GetTimestamp();

    /// <summary>Whether the replica said that it is about to stop.</summary>
    public bool IsDraining { get; set; }
}

/// <summary>Leaves a replica alone as soon as it fails once: another answers meanwhile, and it gets its next chance soon.</summary>
internal sealed class FirstFailurePolicy(IDestinationHealthUpdater health) : IPassiveHealthCheckPolicy
{
    public const string PolicyName = "FirstFailure";

    // Long enough for a replica that is restarted, and an end to being left out where nothing but writes would find out that it is back.
    private static readonly TimeSpan Distrust = TimeSpan.FromMinutes(1);
    private static readonly ConditionalWeakTable<DestinationState, StrongBox<long>> FailedAt = [];

    public string Name => PolicyName;

    /// <summary>Whether the replica has answered since it last failed, or failed long ago.</summary>
    public static bool IsTrusted(DestinationState destination) =>
        !FailedAt.TryGetValue(destination, out var at) || TimeProvider.System.GetElapsedTime(at.Value) > Distrust;

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination)
    {
        var attempt = context.Features.GetRequiredFeature<Attempt>();
        DestinationHealth? seen = context.GetForwarderErrorFeature()?.Error switch
        {
            null => attempt.IsDraining ? DestinationHealth.Unhealthy : DestinationHealth.Healthy,
            ForwarderError.Request or ForwarderError.RequestTimedOut or ForwarderError.RequestBodyDestination or ForwarderError.ResponseBodyDestination => DestinationHealth.Unhealthy,
            _ => null,
        };
        if (seen is { } now)
        {
            if (now == DestinationHealth.Healthy)
            {
                // The answer to what was sent before it failed says nothing of now.
                if (FailedAt.TryGetValue(destination, out var failed) && failed.Value > attempt.StartedAt)
                {
                    return;
                }

                FailedAt.Remove(destination);
            }
            else
            {
                FailedAt.AddOrUpdate(destination, new(TimeProvider.System.GetTimestamp()));
            }

            health.SetPassive(cluster, destination, now, cluster.Model.Config.HealthCheck!.Passive!.ReactivationPeriod!.Value);
        }
    }
}
