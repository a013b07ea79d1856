using System.Diagnostics;
using System.Runtime.CompilerServices;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;
using Yarp.ReverseProxy.Transforms;

namespace MicroPlatform.Gateway;

/// <summary>Forwards calls to the services, and answers with problem details when a service does not answer.</summary>
internal static class Proxy
{
    private const int MaxRounds = 8;

    public static void AddProxy(this WebApplicationBuilder builder)
    {
        var options = builder.AddSettings<ProxyOptions>("Proxy");
        foreach (var (route, service, endpoint) in Routes.Endpoints)
        {
            builder.RequireService(service, endpoint, $"; {route} leads there");
        }

        builder.Services.AddReverseProxy()
            .LoadFromMemory(Routes.ForYarp(), Routes.Clusters(options))
            .AddServiceDiscoveryDestinationResolver()
            .AddTransforms(transforms => transforms.AddRequestHeaderRemove(InternalCalls.HeaderName))
            .AddTransforms(transforms => transforms.AddResponseTransform(async response =>
            {
                var context = response.HttpContext;
                // This header is only for the Gateway, not for callers.
                if (context.Response.Headers.Remove(Draining.HeaderName))
                {
                    context.Features.GetRequiredFeature<Attempt>().IsDraining = true;
                }

                if (context.Response.Headers.Remove(Telemetry.RouteHeader, out var route))
                {
                    context.Items[Telemetry.RouteHeader] = route.ToString();
                }

                if (response.ProxyResponse is { } answer && IsBareError(context.Request, answer))
                {
                    response.SuppressResponseBody = true;
                    context.Response.ContentLength = null;
                    await context.WriteStatusProblemAsync();
                }
            }));
        builder.Services.AddSingleton<IForwarderHttpClientFactory>(new ServiceHttpClientFactory(options));
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
            context.RequireGrpc();
        }

        var isRead = HttpMethods.IsGet(context.Request.Method)
            || HttpMethods.IsHead(context.Request.Method)
            || Routes.IsGrpcRead(context.Request.Path);
        if (isRead && !HttpMethods.IsGet(context.Request.Method))
        {
            context.Request.EnableBuffering(); // the message may have to be sent again
        }

        if (!isRead && !context.Request.Headers.ContainsKey(Idempotency.HeaderName))
        {
            // This request is not retried, so it goes to a recently failed replica only if there is no other.
            var trusted = proxy.AvailableDestinations.Where(FirstFailurePolicy.IsTrusted).ToList();
            proxy.AvailableDestinations = trusted.Count > 0 ? trusted : proxy.AvailableDestinations;
        }

        context.Features.Set(new Attempt());
        await next(context);
        List<DestinationState> untried = [.. proxy.AllDestinations];
        var round = 0;
        while (context.GetForwarderErrorFeature() is { } failure && !context.Response.HasStarted)
        {
            untried.Remove(proxy.ProxiedDestination!);
            if (!MayTryAgain(context.Request, isRead, failure) || (untried.Count == 0 && ++round > MaxRounds))
            {
                await RefuseAsync(context, failure, proxy);
                return;
            }

            if (untried.Count == 0)
            {
                await Task.Delay(Replicas.RetryDelay * round, context.RequestAborted); // real time: tests stop the application's clock
                untried = [.. proxy.AllDestinations];
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

    /// <summary>Whether the answer is an error without a body. A server sends one when it refuses a request itself.</summary>
    private static bool IsBareError(HttpRequest request, HttpResponseMessage answer) =>
        (int)answer.StatusCode >= StatusCodes.Status400BadRequest
        && !HttpMethods.IsHead(request.Method)
        && answer.Content.Headers is { ContentLength: 0 } or { ContentLength: null, ContentType: null };

    /// <summary>
    /// A read is sent again when a replica gave no answer. A write is sent again only if it carries an idempotency key and never reached
    /// the replica.
    /// </summary>
    private static bool MayTryAgain(HttpRequest request, bool isRead, IForwarderErrorFeature failure) => isRead
        ? failure.Exception.NeverArrived() || failure.Error is ForwarderError.Request or ForwarderError.RequestBodyDestination
        : failure.Exception.NeverArrived() && request.Headers.ContainsKey(Idempotency.HeaderName);

    private static Task RefuseAsync(HttpContext context, IForwarderErrorFeature failure, IReverseProxyFeature proxy)
    {
        switch (failure.Error)
        {
            case ForwarderError.RequestBodyClient:
                // The status says what was wrong with the request body (413, 408, 400); the error middleware writes the problem details.
                return Task.CompletedTask;
            case ForwarderError.RequestCanceled or ForwarderError.RequestBodyCanceled or ForwarderError.ResponseBodyCanceled:
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return Task.CompletedTask;
            default:
                context.Response.Clear();
                var service = proxy.Cluster.Config.ClusterId.Split('.')[0];
                context.RequestServices.GetRequiredService<ILogger<ProxyOptions>>().LogWarning(
                    "{Service} did not answer {Route}: {Error}, {Reason}", service, proxy.Route.Config.RouteId, failure.Error,
                    failure.Exception?.Message);
                Activity.Current?.SetStatus(ActivityStatusCode.Error, $"{service}: {failure.Error}, {failure.Exception?.Message}");
                return context.WriteProblemAsync(ProblemException.Unavailable(
                    $"The {service} service does not answer; try again shortly."));
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

/// <summary>Marks a replica as unhealthy at its first failure. Others answer meanwhile, and it is tried again soon.</summary>
internal sealed class FirstFailurePolicy(IDestinationHealthUpdater health) : IPassiveHealthCheckPolicy
{
    public const string PolicyName = "FirstFailure";

    // Long enough for a restart. The limit also brings a replica back where only writes arrive, which do not test failed replicas.
    private static readonly TimeSpan DistrustPeriod = TimeSpan.FromMinutes(1);
    private static readonly ConditionalWeakTable<DestinationState, StrongBox<long>> FailedAt = [];

    public string Name => PolicyName;

    /// <summary>Whether the replica has answered since it last failed, or failed long ago.</summary>
    public static bool IsTrusted(DestinationState destination) =>
        !FailedAt.TryGetValue(destination, out var at) || TimeProvider.System.GetElapsedTime(at.Value) > DistrustPeriod;

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination)
    {
        var attempt = context.Features.GetRequiredFeature<Attempt>();
        DestinationHealth? seen = context.GetForwarderErrorFeature()?.Error switch
        {
            null => attempt.IsDraining ? DestinationHealth.Unhealthy : DestinationHealth.Healthy,
            ForwarderError.Request or ForwarderError.RequestTimedOut
                or ForwarderError.RequestBodyDestination or ForwarderError.ResponseBodyDestination =>
                DestinationHealth.Unhealthy,
            _ => null,
        };
        if (seen is { } now)
        {
            if (now == DestinationHealth.Healthy)
            {
                // The answer to a request sent before the failure says nothing about the present state.
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
