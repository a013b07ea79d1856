using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using MicroPlatform.Gateway;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Time.Testing;
using Yarp.ReverseProxy.Forwarder;

namespace MicroPlatform.Tests.Gateway;

/// <summary>
/// The Gateway itself on real sockets, with TLS, because an in-memory server does not show connections, HTTP/2 and trailers.
/// </summary>
internal sealed class GatewayHost : WebApplicationFactory<OrderOverview>
{
    private static readonly Lazy<(string Certificate, string Key)> Certificate = new(MakeCertificate);
    private static readonly Marshaller<string> Text = Marshallers.Create(Encoding.UTF8.GetBytes, Encoding.UTF8.GetString);

    private readonly Dictionary<string, string> settings = new(StringComparer.Ordinal)
    {
        ["Logging:LogLevel:Default"] = "None",
        ["Kestrel:Endpoints:http:Url"] = "http://127.0.0.1:0",
        ["Kestrel:Endpoints:https:Url"] = "https://127.0.0.1:0",
        ["Kestrel:Certificates:Default:Path"] = Certificate.Value.Certificate,
        ["Kestrel:Certificates:Default:KeyPath"] = Certificate.Value.Key,
        ["InternalCalls:Key"] = TestPlatform.InternalCallKey,
        // Long deadlines for slow machines; tests of slowness set their own.
        ["Proxy:Deadline"] = "00:01:00",
        ["Calls:Deadline"] = "00:00:15",
    };

    private readonly string environment;
    private readonly TestPlatform? platform;

    private GatewayHost(IEnumerable<(string Key, string Value)> settings, string environment, TestPlatform? platform)
    {
        (this.environment, this.platform) = (environment, platform);
        foreach (var (key, value) in settings)
        {
            this.settings[key] = value;
        }

        UseKestrel();
        StartServer();
    }

    public FakeTimeProvider Clock { get; } = new(DateTimeOffset.UtcNow);

    public Uri HttpAddress => AddressOf("http://127.0.0.1");

    public Uri HttpsAddress => AddressOf("https://");

    /// <summary>Starts it in front of fakes; later settings win.</summary>
    public static GatewayHost Start(
        FakePlatform behind, string environment = "Development", params (string Key, string Value)[] settings) =>
        new([.. behind.Settings, .. settings], environment, platform: null);

    /// <summary>Starts the real services and then the Gateway: a service's start must not count against the deadline of a call.</summary>
    public static GatewayHost Start(TestPlatform platform, params (string Key, string Value)[] settings)
    {
        foreach (var service in TestPlatform.Names)
        {
            _ = platform.Services(service);
        }

        return new(
            [
                .. TestPlatform.Names.SelectMany(service =>
                    new[]
                    {
                        ($"services:{service}:http:0", $"http://{service}"), ($"services:{service}:grpc:0", $"http://_grpc.{service}")
                    }),
                .. settings,
            ],
            "Development", platform);
    }

    /// <summary>The endpoint whose address contains this text.</summary>
    public Uri AddressOf(string part) =>
        new(Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single(address =>
            address.Contains(part, StringComparison.Ordinal)));

    /// <summary>A client with its own connections, over TLS by default.</summary>
    public HttpClient Http(bool tls = true, Version? version = null) => new(Handler())
    {
        BaseAddress = tls ? HttpsAddress : HttpAddress,
        DefaultRequestVersion = version ?? HttpVersion.Version11,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    public GrpcChannel Channel() => GrpcChannel.ForAddress(HttpsAddress, new() { HttpHandler = Handler(), DisposeHttpClient = true });

    /// <summary>Calls a method whose messages are text; fails without an answer after a minute.</summary>
    public static async Task<string> CallAsync(
        GrpcChannel channel, string service, string method, CallOptions options, string message = "m")
    {
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(Method(service, method), host: null, options, message);
        return await call.ResponseAsync.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
    }

    /// <summary>A method whose messages are text.</summary>
    public static Method<string, string> Method(string service, string name, MethodType type = MethodType.Unary) =>
        new(type, service, name, Text, Text);

    public override async ValueTask DisposeAsync() => await base.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(2));

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseEnvironment(environment);
        foreach (var (key, value) in settings)
        {
            builder.UseSetting(key, value);
        }

        builder.ConfigureTestServices(services =>
        {
            services.AddSingleton<TimeProvider>(platform?.Clock ?? Clock);
            if (platform is not null)
            {
                platform.Added?.Invoke(services);
                services.AddSingleton<IForwarderHttpClientFactory>(new InMemory(platform));
                services.ConfigureAll<HttpClientFactoryOptions>(options =>
                    options.HttpMessageHandlerBuilderActions.Add(handler => handler.PrimaryHandler = platform.CreateRouter()));
            }
        });
    }

    private static SocketsHttpHandler Handler() => new()
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        ActivityHeadersPropagator = null, // sends the caller's own trace headers, not those of the tests
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.Subject is "CN=localhost" },
    };

    private static (string Certificate, string Key) MakeCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var folder = Directory.CreateTempSubdirectory("gateway-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var files = (Path.Combine(folder, "gateway.crt"), Path.Combine(folder, "gateway.key"));
        File.WriteAllText(files.Item1, certificate.ExportCertificatePem());
        File.WriteAllText(files.Item2, key.ExportPkcs8PrivateKeyPem());
        return files;
    }

    private sealed class InMemory(TestPlatform platform) : IForwarderHttpClientFactory
    {
        public HttpMessageInvoker CreateClient(ForwarderHttpClientContext context) => context.OldClient ?? new(platform.CreateRouter());
    }
}
