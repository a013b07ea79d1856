using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Settings are options that are validated before the service starts. A missing or malformed setting stops the service before it does
/// anything. One line names the key and the expected value, and the exit code is <see cref="ExitCode"/>.
/// </summary>
public static class Settings
{
    /// <summary>The exit code of a program whose settings are wrong (EX_CONFIG of sysexits.h); starting it again would not help.</summary>
    public const int ExitCode = 78;

    /// <summary>
    /// Creates the builder of a service; ends the program when a settings file cannot be read. With <c>--healthy</c> the program only asks
    /// the running service whether it is ready, for images without another program to do so.
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

    /// <summary>Binds a section to options, whose values must pass the annotations of their properties before the service starts.</summary>
    /// <returns>The options, for decisions while the service is built. A value that cannot be read keeps its default.</returns>
    public static TOptions AddSettings<TOptions>(this WebApplicationBuilder builder, string section)
        where TOptions : class, new()
    {
        var given = builder.Configuration.GetSection(section);
        var properties = typeof(TOptions).GetProperties().ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);
        if (given.Value is { Length: > 0 })
        {
            builder.RejectSetting(section, $"{section}:{properties.Keys.First()} and the like, as it is a section", isSecret: true);
        }

        var isReadable = true;
        foreach (var setting in given.GetChildren())
        {
            var property = properties.GetValueOrDefault(setting.Key);
            if (property is null || setting.Value is null || !TypeDescriptor.GetConverter(property.PropertyType).IsValid(setting.Value))
            {
                isReadable = false;
                var expected = property is null
                    ? $"none of that name; {section} has {string.Join(", ", properties.Keys)}"
                    : ExpectationOf(property);
                // An unknown name may be the misspelt name of a secret.
                builder.RejectSetting(setting.Path, expected, isSecret: property is null);
            }
        }

        if (!isReadable)
        {
            return new();
        }

        builder.Services.AddOptions<TOptions>().Bind(given).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<TOptions>>(new Annotations<TOptions>(given));
        return given.Get<TOptions>() ?? new();
    }

    /// <summary>Requires a single setting to be what is <paramref name="expected"/>.</summary>
    public static void CheckSetting(this WebApplicationBuilder builder, string key, string expected, Predicate<string?> isGood)
    {
        if (!isGood(builder.Configuration[key]))
        {
            builder.RejectSetting(key, expected);
        }
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

    /// <summary>
    /// Requires the address of another service's endpoint: <c>services:SERVICE:ENDPOINT:0</c>, and of its further replicas from 1 on.
    /// </summary>
    public static void RequireService(this WebApplicationBuilder builder, string service, string endpoint, string purpose = "")
    {
        var expected = $"the address of the {endpoint} endpoint of the service {service}, such as http://{service}:8080{purpose}";
        var addresses = builder.Configuration.GetSection($"services:{service}:{endpoint}").GetChildren().ToList();
        if (addresses.Count == 0)
        {
            builder.RejectSetting($"services:{service}:{endpoint}:0", expected);
        }

        foreach (var address in addresses.Where(address => !IsUrl(address.Value)))
        {
            builder.RejectSetting(address.Path, expected);
        }
    }

    /// <summary>Rejects a setting. The message shows its value unless it is a secret.</summary>
    public static void RejectSetting(
        this WebApplicationBuilder builder, string key, string expected, bool isSecret = false, bool mattersToMigrations = false)
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

    /// <summary>
    /// Reads secrets that are mounted as files, each named after its key, such as <c>/run/secrets/ConnectionStrings__cartdb</c>.
    /// </summary>
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

    /// <summary>The line that says which setting is wrong; null when none is.</summary>
    /// <param name="app">The service.</param>
    /// <param name="migrating">Whether the service only migrates; then only its database settings are checked.</param>
    internal static string? FirstWrongSetting(this WebApplication app, bool migrating)
    {
        if (app.Services.GetServices<WrongSetting>().FirstOrDefault(wrong => wrong.MattersToMigrations || !migrating) is { } first)
        {
            return first.Message;
        }

        try
        {
            if (!migrating)
            {
                app.Services.GetService<IStartupValidator>()?.Validate();
            }

            return null;
        }
        catch (OptionsValidationException wrong)
        {
            return wrong.Failures.First();
        }
        catch (AggregateException several)
        {
            return ((OptionsValidationException)several.InnerExceptions[0]).Failures.First();
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
            ? string.Create(CultureInfo.InvariantCulture, $"{kind}, from {range.Minimum} to {range.Maximum}")
            : kind;
    }

    private sealed record WrongSetting(string Message, bool MattersToMigrations);

    /// <summary>Validates options by their annotations; each failure is one line that names the key.</summary>
    private sealed class Annotations<TOptions>(IConfigurationSection section) : IValidateOptions<TOptions>
        where TOptions : class
    {
        public ValidateOptionsResult Validate(string? name, TOptions options)
        {
            var failures = new List<ValidationResult>();
            return Validator.TryValidateObject(options, new(options), failures, validateAllProperties: true)
                ? ValidateOptionsResult.Success
                : ValidateOptionsResult.Fail(failures.SelectMany(failure => failure.MemberNames).Select(member =>
                    $"The setting {section.Path}:{member} is \"{section[member]}\": give "
                        + $"{ExpectationOf(typeof(TOptions).GetProperty(member)!)}."));
        }
    }
}
