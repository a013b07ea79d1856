using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
#if ASPIRE
using Aspire.Hosting;
using Aspire.Hosting.Testing;
#else
using MicroPlatform.AppHost;
#endif

namespace MicroPlatform.Tests.Platform;

/// <summary>Tests of real processes share one platform, and the machine with nothing else.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class PlatformTestGroup : ICollectionFixture<RunningPlatform>, ICollectionFixture<Browser.Chromium>
{
    public const string Name = "Platform";
}

/// <summary>The whole platform in its own processes, on the engine at hand, reached as its users reach it: through the Gateway.</summary>
public sealed class RunningPlatform : IAsyncLifetime
{
#if ASPIRE
    private DistributedApplication platform = null!;

    /// <summary>A client of the Gateway over HTTPS, which trusts this user's development certificates, whether or not the machine does.</summary>
    public HttpClient Https() => new(Trusting(DevelopmentCertificates())) { BaseAddress = platform.GetEndpoint("gateway", "https") };

    /// <summary>A client of the Gateway over HTTP.</summary>
    public HttpClient Http() => platform.CreateHttpClient("gateway", "http");

    public async ValueTask InitializeAsync()
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(["UseVolumes=false"]);
        platform = await builder.BuildAsync();
        await platform.StartAsync();
        await platform.ResourceNotifications.WaitForResourceHealthyAsync("gateway").WaitAsync(TimeSpan.FromMinutes(5));
    }

    private static X509Certificate2Collection DevelopmentCertificates()
    {
        const string marked = "1.3.6.1.4.1.311.84.1.1"; // as dotnet dev-certs marks what it makes
        using var mine = new X509Store(StoreName.My, StoreLocation.CurrentUser, OpenFlags.ReadOnly);
        return mine.Certificates.Find(X509FindType.FindByExtension, marked, validOnly: false);
    }
#else
    private EmbeddedPlatform platform = null!;

    internal EmbeddedPlatform Engine => platform;

    /// <summary>Tests sign up many, and a small machine is slow while it starts so many processes: what a password costs and who answers too late is tested elsewhere.</summary>
    internal static IReadOnlyDictionary<string, string> Unhurried { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["Accounts__HashIterations"] = "1000",
        ["Requests__Deadline"] = "00:00:30",
        ["Proxy__Deadline"] = "00:00:40",
        ["Calls__Deadline"] = "00:00:15",
    };

    /// <summary>A client of the Gateway over HTTPS, which trusts this run's certificate and no other.</summary>
    public HttpClient Https() => new(Trusting([X509CertificateLoader.LoadCertificateFromFile(platform.CertificateFile)])) { BaseAddress = platform.GatewayHttps };

    /// <summary>A client of the Gateway over HTTP.</summary>
    public HttpClient Http() => new() { BaseAddress = platform.GatewayHttp };

    public async ValueTask InitializeAsync() =>
        platform = await EmbeddedPlatform.StartAsync(new EmbeddedPlatformOptions { Ephemeral = true, Environment = Unhurried }, CancellationToken.None);
#endif

    public async ValueTask DisposeAsync() => await platform.DisposeAsync();

    private static SocketsHttpHandler Trusting(X509Certificate2Collection certificates)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(certificates);
        return new() { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } };
    }
}
