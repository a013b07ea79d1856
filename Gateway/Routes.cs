using System.Net;
using MicroPlatform.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.LoadBalancing;

namespace MicroPlatform.Gateway;

/// <summary>The public routes. Callers can reach only what these tables list.</summary>
internal static class Routes
{
    /// <summary>The policy of the limit for signing in and registering.</summary>
    public const string SignInLimit = "sign-in";

    /// <summary>The services, in the order in which people see them.</summary>
    public static readonly string[] Services = ["customers", "cart", "users", "todo", "warehouse", "accounting", "sales"];

    /// <summary>
    /// REST: the service takes every path below its prefix. A path that is listed here needs a token for the verbs beside it.
    /// Any other verb on a listed path is open: the service answers it, or refuses it with the verbs that it has (405).
    /// A path that is not listed needs a token.
    /// </summary>
    private static readonly Resource[] Rest =
    [
        new("/auth", "customers", "/refresh", "/logout") { SignIn = ["ANY /login"] },
        new("/customers", "customers", "/ GET", "/{id} GET,PATCH,DELETE", "/{id}/password PUT") { SignIn = ["POST /"] },
        new("/products", "cart", "/ POST", "/{id} PUT,DELETE", "/{id}/{**rest}"),
        new("/carts", "cart", "/{id} GET,DELETE", "/{id}/items POST", "/{id}/items/{itemId} PATCH,DELETE", "/{id}/checkout POST,DELETE"),
        new("/users", "users", "/ GET", "/refresh", "/logout", "/me GET,PATCH,DELETE", "/me/password PUT", "/{id} GET,PATCH")
        {
            SignIn = ["POST /", "ANY /login"],
        },
        new("/todos", "todo", "/ GET,POST", "/{id} GET,PUT,PATCH,DELETE"),
        new(
            "/warehouse", "warehouse", "/items GET,POST", "/items/{id} GET,PUT,PATCH,DELETE",
            "/items/{itemId}/stock-adjustments GET,POST", "/items/{itemId}/stock-adjustments/{id} GET"),
        new("/accounting", "accounting", "/transactions GET,POST", "/transactions/{id} GET,PUT,DELETE", "/summary GET"),
        new(
            "/sales", "sales", "/orders GET,POST", "/orders/{id} GET,PUT,DELETE",
            "/sold-items GET", "/summary GET", "/dead-letters GET", "/dead-letters/{id}/retry POST"),
    ];

    private static readonly string[] Versions =
    [
        .. Rest.Select(resource => Api.PrefixOf(resource.Version)).Distinct(StringComparer.Ordinal),
    ];

    /// <summary>gRPC services open to callers, and their methods that need no token; <c>SignIn</c> has a stricter limit.</summary>
    private static readonly (string Name, string Service, string[] Public, string[] SignIn)[] Grpc =
    [
        ("users.v1.Users", "users", ["Refresh"], ["Register", "Login"]),
        ("todo.v1.Todos", "todo", [], []),
    ];

    /// <summary>gRPC methods that change nothing, so that another replica may be asked when the first gives no answer.</summary>
    private static readonly HashSet<string> GrpcReads = new(StringComparer.Ordinal)
    {
        "/users.v1.Users/GetMe", "/todo.v1.Todos/Get", "/todo.v1.Todos/List", "/todo.v1.Todos/Export",
    };

    /// <summary>Whether this is a gRPC method that changes nothing.</summary>
    public static bool IsGrpcRead(PathString path) => path.Value is { } method && GrpcReads.Contains(method);

    /// <summary>Tells the caller of an unknown address which addresses exist.</summary>
    public static string NotFoundDetail(HttpContext context) => context switch
    {
        _ when context.IsGrpc() =>
            $"There is no such method; the services are {string.Join(" and ", Grpc.Select(grpc => grpc.Name))}, described at /protos.",
        _ when NamesUnknownVersion(context.Request.Path) =>
            $"There is no such version of the API; there is {string.Join(" and ", Versions)}.",
        _ =>
            $"There is nothing at this address. The API is at {string.Join(", ", Rest.Select(resource => resource.Path))} and "
                + $"{Api.Prefix}/overview, and described at /scalar.",
    };

    private static bool NamesUnknownVersion(PathString path) =>
        path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase, out var rest)
        && rest.HasValue
        && !Versions.Any(version => path.StartsWithSegments(version, StringComparison.OrdinalIgnoreCase));

    /// <summary>The service endpoints that the Gateway needs, each with a route that uses it.</summary>
    public static IEnumerable<(string Route, string Service, string Endpoint)> Endpoints =>
    [
        .. Rest.Select(rest => (rest.Path, rest.Service, "http")),
        .. Grpc.Select(grpc => ($"/{grpc.Name}", grpc.Service, "grpc")),
        ($"{Api.Prefix}/overview", "customers", "grpc"),
        ($"{Api.Prefix}/overview", "warehouse", "grpc"),
    ];

    /// <summary>The routes as YARP takes them.</summary>
    public static IReadOnlyList<RouteConfig> ForYarp() =>
    [
        .. Rest.Select(rest => Route(rest.Service, "ANY", $"{rest.Path}/{{**rest}}")),
        // OPTIONS needs no token: the verbs of a path are public.
        .. Rest.Select(rest => Public(rest.Service, "OPTIONS", $"{rest.Path}/{{**rest}}")),
        .. Rest.SelectMany(rest => rest.Listed, (rest, listed) => Public(rest.Service, "ANY", rest.Path + listed.Path)),
        .. from rest in Rest
           from listed in rest.Listed
           where listed.Verbs.Length > 0
           select Route(rest.Service, listed.Verbs, rest.Path + listed.Path),
        .. Services.Select(service => Public(service, "GET,HEAD", $"/openapi/{service}.json")),
        .. Rest.SelectMany(rest => rest.SignIn.Select(open => SignIn(rest.Service, open.Split(' ')[0], rest.Path + open.Split(' ')[1]))),
        .. new[] { Issuers.Customers, Issuers.Users }.Select(Issuers.ServiceOf)
        .Select(service => Public(service, "GET,HEAD", $"/{service}/.well-known/jwks.json") with
        {
            Transforms = [new Dictionary<string, string>(StringComparer.Ordinal) { ["PathSet"] = "/.well-known/jwks.json" }],
        }),
        .. Grpc.Select(grpc => Route(GrpcOf(grpc.Service), "POST", $"/{grpc.Name}/{{method}}")),
        .. Grpc.SelectMany(grpc => grpc.Public.Select(method => Public(GrpcOf(grpc.Service), "POST", $"/{grpc.Name}/{method}"))),
        .. Grpc.SelectMany(grpc => grpc.SignIn.Select(method => SignIn(GrpcOf(grpc.Service), "POST", $"/{grpc.Name}/{method}"))),
    ];

    /// <summary>
    /// One cluster for each service, and one more where its gRPC is open to callers; the addresses are for service discovery.
    /// </summary>
    public static IReadOnlyList<ClusterConfig> Clusters(ProxyOptions options)
    {
        return
        [
            .. Services.Select(service => Cluster(service, $"http://{service}", HttpVersion.Version11)),
            .. Grpc.Select(grpc => Cluster(GrpcOf(grpc.Service), $"http://_grpc.{grpc.Service}", HttpVersion.Version20)),
        ];

        ClusterConfig Cluster(string id, string address, Version version) => new()
        {
            ClusterId = id,
            Destinations = new Dictionary<string, DestinationConfig>(StringComparer.Ordinal) { [id] = new() { Address = address } },
            LoadBalancingPolicy = LoadBalancingPolicies.PowerOfTwoChoices,
            // This time-out is for slow callers; SilenceHandler limits the time of a service.
            HttpRequest = new()
            {
                ActivityTimeout = options.CallerPause,
                Version = version,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            },
            HealthCheck = new()
            {
                Passive = new() { Enabled = true, Policy = FirstFailurePolicy.PolicyName, ReactivationPeriod = options.ReactivationPeriod },
                // When all replicas have failed, they are still tried, so that one that is back answers at once.
                AvailableDestinationsPolicy = HealthCheckConstants.AvailableDestinations.HealthyOrPanic,
            },
        };
    }

    private static string GrpcOf(string service) => $"{service}.grpc";

    private static RouteConfig Route(string cluster, string verbs, string path) => new()
    {
        RouteId = $"{verbs} {path}",
        ClusterId = cluster,
        Match = new() { Path = path, Methods = string.Equals(verbs, "ANY", StringComparison.Ordinal) ? null : verbs.Split(',') },
    };

    private static RouteConfig Public(string cluster, string verbs, string path) =>
        Route(cluster, verbs, path) with { AuthorizationPolicy = "anonymous" };

    private static RouteConfig SignIn(string cluster, string verbs, string path) =>
        Public(cluster, verbs, path) with { RateLimiterPolicy = SignInLimit };

    /// <summary>A resource and all paths below it; each version has a row of its own.</summary>
    private sealed record Resource(string Prefix, string Service, params string[] Paths)
    {
        public int Version { get; init; } = 1;

        /// <summary>Further open paths, with a stricter limit: signing in and registering.</summary>
        public string[] SignIn { get; init; } = [];

        public string Path => Api.PrefixOf(Version) + Prefix;

        /// <summary>Its listed paths, each with the verbs that need a token; HEAD needs one where GET does.</summary>
        public IEnumerable<(string Path, string Verbs)> Listed => Paths.Select(path => path.Split(' ') is [var listed, var verbs]
            ? (listed, verbs.Replace("GET", "GET,HEAD", StringComparison.Ordinal))
            : (path, ""));
    }
}
