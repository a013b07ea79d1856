using System.Globalization;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;
using static MicroPlatform.Tests.Deploy.Yaml;

namespace MicroPlatform.Tests.Deploy;

/// <summary>
/// The Compose file gives the services the same names, ports, settings, references and secrets as the app model's manifest.
/// </summary>
public sealed partial class ComposeTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "deploy", "compose");
    private static readonly Manifest Model = Manifest.Committed;

    [Fact]
    public void The_compose_file_agrees_with_the_app_model() =>
        Assert.Equal(Expected(), Facts(Text("compose.yaml")), StringComparer.Ordinal);

    /// <summary>The comparison must find each of these mistakes.</summary>
    [Theory]
    [InlineData("Kestrel__Endpoints__http__Url: http://*:5111", "Kestrel__Endpoints__http__Url: http://*:5112")]
    [InlineData("services__sales__grpc__0: http://sales:5162", "services__sales__grpc__0: http://sales:5161")]
    [InlineData("services__warehouse__http__0", "services__warehouses__http__0")]
    [InlineData("target: ConnectionStrings__tododb", "target: ConnectionStrings__todo")]
    [InlineData("source: account-key-secret", "source: internal-call-key")]
    [InlineData("      - { source: internal-call-key, target: InternalCalls__Key }\n", "")]
    [InlineData("${IMAGES}/cart:", "${IMAGES}/carts:")]
    [InlineData("Cart.dll, --healthy", "Carts.dll, --healthy")]
    [InlineData("replicas: 2", "replicas: 1")]
    [InlineData("condition: service_completed_successfully", "condition: service_started")]
    [InlineData("  read_only: true\n", "")]
    [InlineData("cap_drop: [ALL]", "cap_drop: []")]
    [InlineData("user: \"1654:1654\"", "user: root")]
    [InlineData("memory: 512M", "memory: ''")]
    [InlineData("      - tododb-password\n", "")]
    [InlineData("    file: secrets/tododb-password\n", "    file: secrets/tododb\n")]
    [InlineData("127.0.0.1:${DASHBOARD_PORT}", "${DASHBOARD_PORT}")]
    public void A_mistake_in_the_compose_file_is_detected(string right, string wrong)
    {
        var text = Text("compose.yaml");
        Assert.Contains(right, text, StringComparison.Ordinal);

        Assert.NotEqual(Expected(), Facts(text.Replace(right, wrong, StringComparison.Ordinal)), StringComparer.Ordinal);
    }

    [Fact]
    public void The_database_server_allows_the_connections_of_all_replicas()
    {
        var pool = int.Parse(PoolSize().Match(Text("start.sh")).Groups["size"].Value, CultureInfo.InvariantCulture);
        var limit = int.Parse(ConnectionLimit().Match(Text("compose.yaml")).Groups["limit"].Value, CultureInfo.InvariantCulture);
        var services = Model.Services.Where(service => service.Databases.Count > 0).ToList();

        Assert.Equal(
            TestPlatform.Names.Order(StringComparer.Ordinal), services.Select(service => service.Name).Order(StringComparer.Ordinal));
        Assert.All(services, service => Assert.Equal(2, service.Databases.Count));
        Assert.InRange(pool, 10, (limit - 50) / (services.Sum(service => service.Databases.Count) * 2));
    }

    [Fact]
    public void Every_variable_has_an_example_and_every_example_is_used()
    {
        var examples = Text(".env.example").Split('\n').Where(line => line.Contains('=', StringComparison.Ordinal) && line[0] is not '#')
            .Select(line => line.Split('=')[0]);

        Assert.Equal(
            Variable().Matches(Text("compose.yaml")).Select(match => match.Groups["name"].Value).Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
            examples.Order(StringComparer.Ordinal));
    }

    private static List<string> Expected()
    {
        var facts = new List<string>();
        foreach (var service in Model.Services)
        {
            var secrets = service.Settings.Where(setting => Manifest.IsSecret(setting.Value))
                .Select(setting => $"{setting.Key} from {SecretOf(setting.Value)}");
            // Under Compose the Gateway ends TLS itself, with a certificate of its own; its http port serves REST without TLS.
            var settings = service.Settings.Where(setting =>
                !Manifest.IsSecret(setting.Value) && !(service.IsPublic && setting.Key.Contains("__https__", StringComparison.Ordinal)))
                .Select(setting => $"{setting.Key}={Model.ForNetwork(setting.Value)}");
            var certificate = service.IsPublic
                ? [
                    "Kestrel__Endpoints__https__Url=https://*:8443", "Kestrel__Certificates__Default__Path=/run/secrets/tls.crt",
                    "Kestrel__Certificates__Default__KeyPath=/run/secrets/tls.key"
                ]
                : Array.Empty<string>();
            var program = $"{TestPlatform.ProjectOf(service.Name)}.dll";
            facts.Add($"{service.Name} runs ${{IMAGES}}/{service.Name}:${{TAG}} {(service.IsPublic ? 1 : 2)} times as 1654:1654");
            facts.Add($"{service.Name} is told {Join(settings.Concat(certificate))}");
            facts.Add($"{service.Name} reads {Join(secrets.Concat(service.IsPublic ? ["tls.crt", "tls.key"] : []))}");
            facts.Add($"{service.Name} is healthy when CMD dotnet {program} --healthy");
            var before = service.IsPublic
                ? Join(service.References.Select(other => $"{other} service_started"))
                : "dashboard service_started, logins service_completed_successfully";
            facts.Add($"{service.Name} starts after {before}");
            facts.Add($"{service.Name} is published at {(service.IsPublic ? "${HTTPS_PORT}:8443, ${HTTP_PORT}:8080" : "")}");
        }

        var passwords = Model.Databases.Select(database => $"{database}-password").ToList();
        facts.Add($"logins reads {Join(passwords.Append("postgres-password"))}");
        facts.Add("logins starts after postgres service_healthy");
        facts.Add("postgres reads postgres-password");
        facts.Add("postgres is published at ");
        facts.Add("dashboard is published at 127.0.0.1:${DASHBOARD_PORT}:18888");
        string[] others = ["account-key-secret", "internal-call-key", "postgres-password", "tls.crt", "tls.key"];
        facts.Add($"secrets are {Join(passwords.Concat(Model.Databases).Concat(others).Select(name => $"{name} in secrets/{name}"))}");
        facts.Add(
            $"confined and limited are {Join(Model.Services.Select(service => service.Name).Concat(["dashboard", "postgres"]))}; confined "
                + "is logins");
        facts.Sort(StringComparer.Ordinal);
        return facts;
    }

    private static List<string> Facts(string text)
    {
        var file = Documents(Merged(text)).Single();
        var facts = new List<string>();
        var services = Entries(file, "services").ToList();
        foreach (var (name, service) in services)
        {
            var isOurs = Model.Services.Any(one => string.Equals(one.Name, name, StringComparison.Ordinal));
            var settings = Entries(service, "environment").Where(variable => variable.Key.Contains("__", StringComparison.Ordinal))
                .Select(variable => $"{variable.Key}={variable.Value}");
            var secrets = Items(service, "secrets").Select(secret =>
                secret is YamlScalarNode ? $"{secret}" : $"{Yaml.Text(secret, "target")} from {Yaml.Text(secret, "source")}");
            var conditions = Entries(service, "depends_on").Select(other => $"{other.Key} {Yaml.Text(other.Value, "condition")}");
            if (isOurs)
            {
                facts.Add(
                    $"{name} runs {Yaml.Text(service, "image")} {Yaml.Text(service, "deploy", "replicas")} times as "
                        + $"{Yaml.Text(service, "user")}");
                facts.Add($"{name} is told {Join(settings)}");
                facts.Add($"{name} is healthy when {string.Join(' ', Items(At(service, "healthcheck"), "test"))}");
            }

            if (name is not "dashboard")
            {
                facts.Add($"{name} reads {Join(secrets)}");
            }

            if (isOurs || name is "logins")
            {
                facts.Add($"{name} starts after {Join(conditions)}");
            }

            if (name is not "logins")
            {
                facts.Add($"{name} is published at {Join(Items(service, "ports").Select(port => $"{port}"))}");
            }
        }

        var confined = services.Where(service => Yaml.Text(service.Value, "read_only") is "true"
            && Join(Items(service.Value, "cap_drop")) is "ALL"
            && Join(Items(service.Value, "security_opt")) is "no-new-privileges:true").ToList();
        var limited = confined.Where(service => Yaml.Text(service.Value, "deploy", "resources", "limits", "memory").Length > 0)
            .Select(service => service.Key).ToList();
        facts.Add($"secrets are {Join(Entries(file, "secrets").Select(secret => $"{secret.Key} in {Yaml.Text(secret.Value, "file")}"))}");
        facts.Add(
            $"confined and limited are {Join(limited)}; confined is "
                + $"{Join(confined.Select(service => service.Key).Except(limited, StringComparer.Ordinal))}");
        facts.Sort(StringComparer.Ordinal);
        return facts;
    }

    /// <summary>The file as Compose reads it, with references (<c>&lt;&lt;</c>) resolved.</summary>
    private static string Merged(string text) =>
        new SerializerBuilder().Build()
            .Serialize(new DeserializerBuilder().Build().Deserialize<object>(new MergingParser(new Parser(new StringReader(text))))!);

    private static string SecretOf(string expression) => expression.Trim('{', '}').Split('.')[0];

    private static string Join<T>(IEnumerable<T> parts) => string.Join(", ", parts.Select(part => $"{part}").Order(StringComparer.Ordinal));

    private static string Text(string file) => File.ReadAllText(Path.Combine(Folder, file)).ReplaceLineEndings("\n");

    [GeneratedRegex(@"Maximum Pool Size=(?<size>\d+)", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PoolSize();

    [GeneratedRegex(@"max_connections=(?<limit>\d+)", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ConnectionLimit();

    [GeneratedRegex(@"\$\{(?<name>\w+)\}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Variable();
}
