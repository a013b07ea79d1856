using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Settings are read while the service is built. One that is missing or malformed is noted, and stops the service before it does
/// anything: with one line that names the key and what it expects, and the exit code <see cref="ExitCode"/>.
/// </summary>
public static class Settings
{
    /// <summary>The exit code of a program whose settings are wrong (EX_CONFIG of sysexits.h); starting it again would not help.</summary>
    public const int ExitCode = 78;

    /// <summary>
    /// Begins a service. There is nothing to begin with when a file of settings cannot be read, so that ends the program here; and with <c>--healthy</c>
    /// it only asks the one that runs whether it is ready, for images that have no other program to ask with.
    /// </summary>
    public static WebApplicationBuilder CreateBuilder(string[] args)
    {
        try
        {
            var builder = WebApplication.CreateBuilder(args);
            builder.AddSecretFiles();
            if (args.Contains("--healthy", StringComparer.Ordinal))
            {
                Environment.Exit(IsRunningAndReady(builder.Configuration) ? 0 : 1);
            }

            return builder;
        }
        catch (Exception failure) when (failure is InvalidDataException or UnauthorizedAccessException) // each names the file
        {
            var advice = failure.GetBaseException() switch
            {
                JsonException json => $"Line {json.LineNumber + 1} is malformed: {json.Message.Split(" LineNumber:")[0]} Correct it.",
                UnauthorizedAccessException => "Let this account read it.",
                var reason => $"{reason.Message} Correct it.",
            };
            Console.Error.WriteLine($"{failure.Message} {advice}".ReplaceLineEndings(" "));
            Environment.Exit(ExitCode);
            throw;
        }
    }

    /// <summary>Binds a section to options that handlers take as <c>IOptions&lt;TOptions&gt;</c>; every value must pass the annotations of its property.</summary>
    /// <returns>The options, for what is decided while building.</returns>
    public static TOptions AddSettings<TOptions>(this WebApplicationBuilder builder, string section)
        where TOptions : class, new()
    {
        var options = new TOptions();
        var properties = typeof(TOptions).GetProperties().ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);
        var given = builder.Configuration.GetSection(section);
        if (given.Value is { Length: > 0 })
        {
            builder.RejectSetting(section, $"{section}:{properties.Keys.First()} and the like, as it is a section", isSecret: true);
        }

        foreach (var setting in given.GetChildren())
        {
            if (!properties.TryGetValue(setting.Key, out var property))
            {
                // The name may be that of a secret, misspelt.
                var expected = $"none of that name; {section} has {string.Join(", ", properties.Keys)}";
                builder.RejectSetting(setting.Path, expected, isSecret: true);
            }
            else if (!TrySet(options, property, setting.Value))
            {
                builder.RejectSetting(setting.Path, ExpectationOf(property));
            }
        }

        builder.Services.AddSingleton(Options.Create(options));
        return options;
    }

    /// <summary>The value of a single setting, or <paramref name="absent"/> when there is none or it is not what is <paramref name="expected"/>.</summary>
    public static T GetSetting<T>(this WebApplicationBuilder builder, string key, T absent, string expected, Func<T, bool>? isGood = null)
    {
        try
        {
            var value = builder.Configuration.GetValue(key, absent)!;
            if (isGood is null || isGood(value))
            {
                return value;
            }
        }
        catch (InvalidOperationException)
        {
            // Not of the type: refused with what is out of range.
        }

        builder.RejectSetting(key, expected);
        return absent;
    }

    /// <summary>The values of a list, such as <c>Cors:Origins:0</c>; empty when there is none.</summary>
    public static string[] GetSettings(this WebApplicationBuilder builder, string key, string expected, Func<string, bool> isGood)
    {
        var list = builder.Configuration.GetSection(key);
        if (list.Value is { Length: > 0 })
        {
            builder.RejectSetting(key, $"a list, {key}:0 and so on, each {expected}");
        }

        foreach (var item in list.GetChildren().Where(item => item.Value is null || !isGood(item.Value)))
        {
            builder.RejectSetting(item.Path, expected);
        }

        return [.. list.GetChildren().Select(item => item.Value ?? "").Where(isGood)];
    }

    /// <summary>Requires the address of another service's endpoint: <c>services:SERVICE:ENDPOINT:0</c>, and of its further replicas from 1 on.</summary>
    public static void RequireService(this WebApplicationBuilder builder, string service, string endpoint, string purpose = "")
    {
        var expected = $"the address of the {endpoint} endpoint of the service {service}, such as http://{service}:8080{purpose}";
        var addresses = builder.Configuration.GetSection($"services:{service}:{endpoint}").GetChildren().ToList();
        foreach (var key in addresses.Count == 0 ? [$"services:{service}:{endpoint}:0"] : addresses.Where(address => !IsUrl(address.Value)).Select(address => address.Path))
        {
            builder.RejectSetting(key, expected);
        }
    }

    /// <summary>Notes that a setting will not do. Its value is shown unless it may hold a password.</summary>
    public static void RejectSetting(this WebApplicationBuilder builder, string key, string expected, bool isSecret = false, bool mattersToMigrations = false)
    {
        var state = builder.Configuration[key] switch
        {
            null or "" => "missing",
            _ when isSecret => "malformed",
            var value => $"\"{value.ReplaceLineEndings(" ")}\"",
        };
        builder.Services.AddSingleton(new WrongSetting($"The setting {key} is {state}: give {expected}.", mattersToMigrations));
    }

    /// <summary>Whether this is an absolute http or https address.</summary>
    public static bool IsUrl(string? value) => Uri.TryCreate(value, UriKind.Absolute, out var uri) && (uri.Scheme is "http" or "https");

    private static bool IsRunningAndReady(ConfigurationManager configuration)
    {
        var port = BindingAddress.Parse(configuration["Kestrel:Endpoints:http:Url"]!).Port;
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(3) };
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://localhost:{port}/health/ready");
        try
        {
            using var response = http.Send(request);
            return response.IsSuccessStatusCode;
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            return false;
        }
    }

    /// <summary>Reads secrets that are mounted as files, each named after its key, such as <c>/run/secrets/ConnectionStrings__cartdb</c>.</summary>
    private static void AddSecretFiles(this WebApplicationBuilder builder)
    {
        if (builder.Configuration["SecretsFolder"] is not { Length: > 0 } folder)
        {
            return;
        }

        if (Directory.Exists(folder))
        {
            builder.Configuration.AddKeyPerFile(Path.GetFullPath(folder));
        }
        else
        {
            builder.RejectSetting("SecretsFolder", "a folder of secrets, each in a file named after its key", mattersToMigrations: true);
        }
    }

    /// <summary>What every service has: where it listens, what it logs, where telemetry goes.</summary>
    internal static void CheckCommonSettings(this WebApplicationBuilder builder)
    {
        foreach (var endpoint in builder.Configuration.GetSection("Kestrel:Endpoints").GetChildren())
        {
            // The stars mean every address of the machine.
            if (endpoint["Url"] is not { } url || !IsUrl(url.Replace("://*", "://any", StringComparison.Ordinal).Replace("://+", "://any", StringComparison.Ordinal)))
            {
                builder.RejectSetting($"{endpoint.Path}:Url", "the address to listen at, such as http://localhost:8080 or http://*:8080");
            }

            if (endpoint["Protocols"] is { } protocols && !Enum.TryParse<HttpProtocols>(protocols, ignoreCase: true, out _))
            {
                builder.RejectSetting($"{endpoint.Path}:Protocols", $"one of {string.Join(", ", Enum.GetNames<HttpProtocols>().Skip(1))}");
            }
        }

        if (builder.Configuration["Kestrel:Certificates:Default:KeyPath"] is not null && !IsCertificate(builder, "Kestrel:Certificates:Default"))
        {
            builder.RejectSetting("Kestrel:Certificates:Default:Path", "a certificate in PEM, with its key at Kestrel:Certificates:Default:KeyPath");
        }

        foreach (var level in builder.Configuration.GetSection("Logging:LogLevel").GetChildren().Where(level => !Enum.TryParse<LogLevel>(level.Value, ignoreCase: true, out _)))
        {
            builder.RejectSetting(level.Path, $"one of {string.Join(", ", Enum.GetNames<LogLevel>())}");
            // Left in place, it would keep the service from being built, and from saying so.
            builder.Configuration[level.Path] = nameof(LogLevel.Information);
        }

        builder.GetSetting("OTEL_EXPORTER_OTLP_ENDPOINT", "", "the address of an OTLP receiver, such as http://localhost:4317", value => value.Length == 0 || IsUrl(value));
    }

    /// <summary>The first line that stops the start; null when every setting is good.</summary>
    internal static string? FirstWrongSetting(this WebApplication app, bool migrating) =>
        app.Services.GetServices<WrongSetting>().FirstOrDefault(wrong => !migrating || wrong.MattersToMigrations)?.Line;

    /// <summary>The line that stops the start when the service cannot listen where it should; null when it can.</summary>
    internal static string? FirstUnusableAddress(this WebApplication app)
    {
        // Kestrel would find out itself, after the database is migrated and the bus runs. Tests and the build of the OpenAPI documents have another server.
        var endpoints = app.Services.GetRequiredService<IServer>().GetType().Assembly == typeof(KestrelServer).Assembly ? app.Configuration.GetSection("Kestrel:Endpoints").GetChildren() : [];
        foreach (var endpoint in endpoints)
        {
            var url = BindingAddress.Parse(endpoint["Url"]!);
            var addresses = AddressesOf(url);
            foreach (var address in addresses)
            {
                try
                {
                    using var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(new IPEndPoint(address, url.Port));
                }
                catch (SocketException failure) when (addresses is [_] || failure.SocketErrorCode is not SocketError.AddressNotAvailable) // localhost need not be both
                {
                    return $"The setting {endpoint.Path}:Url is \"{endpoint["Url"]}\", and nothing more can listen there ({failure.Message}): give a free address, or stop the program that has it.";
                }
            }
        }

        return null;
    }

    // As Kestrel takes them: a name that is not localhost means every address of the machine.
    private static IPAddress[] AddressesOf(BindingAddress url) =>
        url.IsUnixPipe || url.IsNamedPipe ? []
        : string.Equals(url.Host, "localhost", StringComparison.OrdinalIgnoreCase) ? (Socket.OSSupportsIPv6 ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback])
        : IPAddress.TryParse(url.Host, out var address) ? [address]
        : [Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any];

    private static bool TrySet(object options, PropertyInfo property, string? text)
    {
        try
        {
            var value = TypeDescriptor.GetConverter(property.PropertyType).ConvertFromInvariantString(text ?? "");
            property.SetValue(options, value);
            return text is not null && property.GetCustomAttributes<ValidationAttribute>().All(rule => rule.IsValid(value));
        }
        catch (Exception failure) when (failure is ArgumentException or FormatException or NotSupportedException)
        {
            return false;
        }
    }

    private static string ExpectationOf(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var kind = type == typeof(TimeSpan) ? "a time as hours:minutes:seconds or days.hours:minutes:seconds"
            : type == typeof(bool) ? "true or false"
            : type == typeof(string) ? "a text"
            : type == typeof(int) || type == typeof(long) ? "a whole number"
            : type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}"
            : "a number";
        return property.GetCustomAttribute<RangeAttribute>() is { } range
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{kind}, from {range.Minimum} to {range.Maximum}")
            : kind;
    }

    private static bool IsCertificate(WebApplicationBuilder builder, string key)
    {
        try
        {
            var (certificate, itsKey) = (builder.Configuration[$"{key}:Path"] ?? "", builder.Configuration[$"{key}:KeyPath"]);
            using var loaded = X509Certificate2.CreateFromPemFile(Path.Combine(builder.Environment.ContentRootPath, certificate), Path.Combine(builder.Environment.ContentRootPath, itsKey!));
            return true;
        }
        catch (Exception failure) when (failure is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }

    private sealed record WrongSetting(string Line, bool MattersToMigrations);
}
