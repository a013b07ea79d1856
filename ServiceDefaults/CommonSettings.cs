using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace MicroPlatform.ServiceDefaults;

/// <summary>The settings of the framework that every service has.</summary>
internal static class CommonSettings
{
    /// <summary>Checks addresses, certificate, log levels and telemetry receiver.</summary>
    public static void CheckCommonSettings(this WebApplicationBuilder builder)
    {
        foreach (var endpoint in builder.Configuration.GetSection("Kestrel:Endpoints").GetChildren())
        {
            if (!IsListenAddress(endpoint["Url"]))
            {
                builder.RejectSetting($"{endpoint.Path}:Url", "the address to listen at, such as http://localhost:8080 or http://*:8080");
            }

            if (endpoint["Protocols"] is { } protocols && !Enum.TryParse<HttpProtocols>(protocols, ignoreCase: true, out _))
            {
                builder.RejectSetting($"{endpoint.Path}:Protocols", $"one of {string.Join(", ", Enum.GetNames<HttpProtocols>().Skip(1))}");
            }
        }

        if (builder.Configuration["Kestrel:Certificates:Default:KeyPath"] is not null
            && !IsCertificate(builder, "Kestrel:Certificates:Default"))
        {
            builder.RejectSetting(
                "Kestrel:Certificates:Default:Path", "a certificate in PEM, with its key at Kestrel:Certificates:Default:KeyPath");
        }

        foreach (var level in builder.Configuration.GetSection("Logging:LogLevel").GetChildren().Where(level =>
            !Enum.TryParse<LogLevel>(level.Value, ignoreCase: true, out _)))
        {
            builder.RejectSetting(level.Path, $"one of {string.Join(", ", Enum.GetNames<LogLevel>())}");
            // The wrong level would make the host throw before it could report it.
            builder.Configuration[level.Path] = nameof(LogLevel.Information);
        }

        builder.CheckSetting(
            "OTEL_EXPORTER_OTLP_ENDPOINT", "the address of an OTLP receiver, such as http://localhost:4317", value =>
                string.IsNullOrEmpty(value) || Settings.IsUrl(value));
    }

    // A star or a plus means every address of the machine.
    private static bool IsListenAddress(string? url) => Settings.IsUrl(
        url?.Replace("://*", "://any", StringComparison.Ordinal).Replace("://+", "://any", StringComparison.Ordinal));

    private static bool IsCertificate(WebApplicationBuilder builder, string key)
    {
        try
        {
            var (certificate, itsKey) = (builder.Configuration[$"{key}:Path"] ?? "", builder.Configuration[$"{key}:KeyPath"]);
            using var loaded = X509Certificate2.CreateFromPemFile(
                Path.Combine(builder.Environment.ContentRootPath, certificate), Path.Combine(builder.Environment.ContentRootPath, itsKey!));
            return true;
        }
        catch (Exception failure) when (
            failure is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }
}
