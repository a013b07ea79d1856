using System.Globalization;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Contract;
using static MicroPlatform.Tests.Deploy.Yaml;

namespace MicroPlatform.Tests.Deploy;

/// <summary>The templates of the container apps follow from the manifest and are valid for Container Apps.</summary>
public sealed partial class ContainerAppTests
{
    public static TheoryData<string> Services => [.. Manifest.Committed.Services.Select(service => service.Name)];

    [Theory]
    [MemberData(nameof(Services))]
    public void The_template_follows_from_the_manifest(string name) =>
        CommittedFile.Hold(PathOf(name), ContainerAppTemplate.Of(Manifest.Committed, Manifest.Committed.Find(name)));

    [Fact]
    public void Every_service_has_a_template_and_there_are_no_others() => Assert.Equal(
        Manifest.Committed.Services.Select(service => $"{service.Name}.tmpl.yaml"),
        Directory.EnumerateFiles(Path.Combine(Repository.Root, "AppHost", "infra"), "*.tmpl.yaml").Select(Path.GetFileName)
            .Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Services))]
    public void A_rendered_template_has_replicas_and_probes_and_no_secret_in_plain_text(string name)
    {
        var app = Documents(Rendered(name)).Single();
        var template = At(app, "properties", "template");
        var container = Items(template, "containers").Single();
        var ingress = At(app, "properties", "configuration", "ingress");
        var service = Manifest.Committed.Find(name);

        Assert.Equal(("2", "4"), (Text(template, "scale", "minReplicas"), Text(template, "scale", "maxReplicas")));
        Assert.Equal(
            ["Startup /health/live", "Liveness /health/live", "Readiness /health/ready"],
            Items(container, "probes").Select(probe => $"{Text(probe, "type")} {Text(probe, "httpGet", "path")}"));
        var http = service.Bindings.Single(binding => binding.Name is "http").TargetPort.ToString(CultureInfo.InvariantCulture);
        Assert.All(Items(container, "probes"), probe => Assert.Equal(http, Text(probe, "httpGet", "port")));
        Assert.Equal(service.IsPublic ? "true" : "false", Text(ingress, "external"));
        Assert.Equal(
            service.Ports.Order(),
            Items(ingress, "additionalPortMappings").Select(port => Text(port, "targetPort"))
                .Append(Text(ingress, "targetPort"))
                .Select(port => int.Parse(port, CultureInfo.InvariantCulture)).Order());
        var secrets = Items(At(app, "properties", "configuration"), "secrets").Select(secret => Text(secret, "name")).ToList();
        Assert.Equal(secrets, Items(container, "env").Select(variable => Text(variable, "secretRef"))
            .Where(reference => reference.Length > 0));
        Assert.DoesNotContain(Items(container, "env"), variable => Text(variable, "value").Contains("pass-word", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_address_that_a_service_calls_has_a_listener()
    {
        var ports =
            Manifest.Committed.Services.ToDictionary(service => service.Name, service => service.Ports.ToList(), StringComparer.Ordinal);
        var addresses =
            Manifest.Committed.Services.Select(service => At(Documents(Rendered(service.Name)).Single(), "properties", "template"))
            .SelectMany(template => Items(Items(template, "containers").Single(), "env"))
            .Where(variable => Text(variable, "name").StartsWith("services__", StringComparison.Ordinal))
            .Select(variable => new Uri(Text(variable, "value"))).ToList();

        Assert.NotEmpty(addresses);
        Assert.All(addresses, address => Assert.True(
            address.Host.EndsWith(".internal.example.org", StringComparison.Ordinal)
                ? address.Port is 80 && ports.ContainsKey(address.Host.Split('.')[0])
                : ports[address.Host].Contains(address.Port),
            $"No service listens at {address}."));
    }

    [Theory]
    [InlineData("targetPort: 5102", "targetPort: 5103")]
    [InlineData("external: false", "external: true")]
    [InlineData("ConnectionStrings__customersdb", "ConnectionStrings__customers")]
    [InlineData("secretRef: accounts--keysecret", "secretRef: accounts-keysecret")]
    [InlineData("SSL Mode=VerifyFull", "SSL Mode=Require")]
    [InlineData("/health/ready", "/health")]
    [InlineData("minReplicas: 2", "minReplicas: 1")]
    public void A_mistake_in_a_template_is_detected(string right, string wrong)
    {
        var committed = File.ReadAllText(Path.Combine(Repository.Root, PathOf("customers"))).ReplaceLineEndings("\n");
        var service = Manifest.Committed.Find("customers");
        Assert.Contains(right, committed, StringComparison.Ordinal);

        Assert.NotEqual(ContainerAppTemplate.Of(Manifest.Committed, service), committed.Replace(right, wrong, StringComparison.Ordinal));
    }

    private static string PathOf(string service) => Path.Combine("AppHost", "infra", $"{service}.tmpl.yaml");

    private static string Rendered(string service) => Expression().Replace(
        File.ReadAllText(Path.Combine(Repository.Root, PathOf(service))),
        expression => expression.Value.Contains("securedParameter", StringComparison.Ordinal) ? "pass-word" : "example.org");

    [GeneratedRegex(@"\{\{ [^}]* \}\}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Expression();
}
