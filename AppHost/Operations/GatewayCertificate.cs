using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MicroPlatform.AppHost.Operations;

/// <summary>A certificate for <c>localhost</c>, kept in the data folder.</summary>
internal sealed record GatewayCertificate(string CertificateFile, string KeyFile)
{
    public const string FileName = "gateway.crt";
    public const string KeyFileName = "gateway.key";

    private static readonly TimeSpan Validity = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);

    /// <summary>Uses the certificate in the folder, or creates one if there is none or it is about to expire.</summary>
    public static GatewayCertificate In(string folder)
    {
        var files = new GatewayCertificate(Path.Combine(folder, FileName), Path.Combine(folder, KeyFileName));
        if (!files.IsValid())
        {
            files.Create();
        }

        return files;
    }

    private bool IsValid()
    {
        if (!File.Exists(CertificateFile) || !File.Exists(KeyFile))
        {
            return false;
        }

        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile);
            return certificate.NotAfter.ToUniversalTime() > DateTime.UtcNow + RenewBefore;
        }
        catch (CryptographicException)
        {
            return false; // a killed run left files that are incomplete or do not match
        }
    }

    private void Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost, O=MicroPlatform on this machine", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForEndEntity(critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false)); // a server's
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.CreateSelfSigned(now.AddMinutes(-5), now + Validity);
        DataFolder.WritePrivate(KeyFile, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(CertificateFile, certificate.ExportCertificatePem());
    }
}
