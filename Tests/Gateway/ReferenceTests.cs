using System.Net;
using System.Text.RegularExpressions;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>The Gateway's reference page and documents describe the services behind it.</summary>
[Trait("Speed", "slow")]
public sealed partial class ReferenceTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private static readonly string[] Documents = TestPlatform.NamesWithGateway;
    private static readonly string[] Verbs = ["get", "post", "put", "patch", "delete"];

    [Fact]
    public async Task Every_advertised_path_answers_through_the_Gateway()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        string[] tokens = [await platform.UserTokenAsync("admin"), await platform.CustomerTokenAsync("admin1@email.com")];
        var asked = 0;
        foreach (var document in Documents)
        {
            var openApi = await http.SendAsync("GET", $"/openapi/{document}.json").JsonAsync();
            var title = openApi.GetProperty("info").GetProperty("title").GetString();
            Assert.Equal($"MicroPlatform: {TestPlatform.ProjectOf(document)}", title);
            Assert.DoesNotMatch(MarkupOrFile(), openApi.GetRawText());
            Assert.StartsWith("3.1", openApi.GetProperty("openapi").GetString(), StringComparison.Ordinal);
            Assert.Equal("/", Assert.Single(openApi.GetProperty("servers").EnumerateArray()).GetProperty("url").GetString());
            Assert.True(openApi.GetProperty("components").GetProperty("securitySchemes").TryGetProperty("Bearer", out _));
            foreach (var path in openApi.GetProperty("paths").EnumerateObject())
            {
                Assert.StartsWith("/api/v1/", path.Name, StringComparison.Ordinal);
                if (path.Name.EndsWith("/stream", StringComparison.Ordinal))
                {
                    // A stream never ends; BoardTests call it.
                    continue;
                }

                // The id does not exist, so nothing is changed. DELETE of the caller's own account is skipped.
                foreach (var operation in path.Value.EnumerateObject().Where(operation =>
                    Verbs.Contains(operation.Name, StringComparer.Ordinal)
                        && !(operation.Name is "delete" && path.Name.EndsWith("/me", StringComparison.Ordinal))))
                {
                    var address = Parameter().Replace(
                        path.Name,
                        operation.Value.GetRawText().Contains("\"uuid\"", StringComparison.Ordinal) ? Guid.Empty.ToString() : "424242");
                    foreach (var token in tokens)
                    {
                        using var response = await http.SendAsync(
                            operation.Name.ToUpperInvariant(), address, operation.Name is "post" or "put" or "patch" ? new { } : null,
                            token);
                        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
                        Assert.True(
                            response.StatusCode is not HttpStatusCode.MethodNotAllowed and < HttpStatusCode.InternalServerError
                                && !text.Contains("There is nothing at this address", StringComparison.Ordinal),
                            $"{operation.Name} {address} gave {(int)response.StatusCode}: {text}");
                        asked++;
                    }
                }
            }
        }

        Assert.InRange(asked, 80, 1000);
    }

    [Fact]
    public async Task The_reference_lists_every_document_and_loads_no_external_resources()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        using var response = await http.SendAsync("GET", "/scalar/");
        var page = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.All(Documents, document => Assert.Contains($"openapi/{document}.json", page, StringComparison.Ordinal));
        Assert.Contains("Bearer", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(https?:)?//", page);

        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.DoesNotContain("http", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe-eval", policy, StringComparison.Ordinal);
        Assert.Contains($"'nonce-{Nonce().Match(page).Groups["nonce"].Value}'", policy, StringComparison.Ordinal);

        var scripts = Script().Matches(page).Select(match => match.Groups["file"].Value).ToList();
        Assert.NotEmpty(scripts);
        foreach (var script in scripts)
        {
            Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", $"/scalar/{script}").StatusAsync());
        }

        using var redirect = await http.SendAsync("GET", "/scalar");
        Assert.Equal((HttpStatusCode.Found, "scalar/"), (redirect.StatusCode, redirect.Headers.Location?.OriginalString));
    }

    [Fact]
    public async Task The_two_sign_in_links_lead_to_existing_operations()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        foreach (var page in new[] { "/", "/scalar/" })
        {
            var links = SignIn().Matches(await http.GetStringAsync(new Uri(page, UriKind.Relative), TestContext.Current.CancellationToken));
            Assert.Equal(2, links.Count);
            foreach (Match link in links)
            {
                var openApi = await http.SendAsync("GET", $"/openapi/{link.Groups["document"].Value}.json").JsonAsync();
                var tag = Assert.Single(openApi.GetProperty("paths").GetProperty(
                    link.Groups["path"].Value).GetProperty("post").GetProperty("tags").EnumerateArray());
                Assert.Equal(link.Groups["tag"].Value, tag.GetString(), ignoreCase: true);
            }
        }
    }

    [Fact]
    public async Task Only_the_protos_of_the_public_gRPC_services_are_listed_and_served()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var page = await http.GetStringAsync(new Uri("/protos/", UriKind.Relative), TestContext.Current.CancellationToken);
        var files = ProtoLink().Matches(page).Select(match => match.Groups["file"].Value).ToList();
        var packages = new List<string>();
        foreach (var file in files)
        {
            using var response = await http.SendAsync("GET", $"/protos/{file}");
            Assert.Equal("text/plain", response.Content.Headers.ContentType?.MediaType);
            packages.Add(Package().Match(await response.Content.ReadAsStringAsync(
                TestContext.Current.CancellationToken)).Groups["name"].Value);
        }

        Assert.Equal(["todo.v1", "users.v1"], packages.Order(StringComparer.Ordinal));
        var missing = await http.SendAsync("GET", "/protos/inventory.proto").ProblemAsync();
        Assert.Equal(HttpStatusCode.NotFound, missing.Status);
        Assert.Contains(files[0], missing.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_link_of_the_home_page_works_and_the_page_has_no_inline_or_external_resources()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        using var response = await http.SendAsync("GET", "/");
        var page = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotMatch("<script>|<style|style=\"|onclick|(src|href)=\"(https?:)?//", page);
        var links = Link().Matches(page).Select(match => match.Groups["to"].Value).Distinct(StringComparer.Ordinal).ToList();
        Assert.InRange(links.Count, 25, 100);
        foreach (var link in links)
        {
            Assert.Equal((link, HttpStatusCode.OK), (link, await http.SendAsync("GET", link).StatusAsync()));
        }
    }

    [Fact]
    public async Task The_example_call_of_each_gRPC_service_succeeds()
    {
        await using var gateway = GatewayHost.Start(platform, ("SeedDemoData", "true"));
        using var http = gateway.Http(tls: false);
        var html = await http.GetStringAsync(new Uri("/protos/", UriKind.Relative), TestContext.Current.CancellationToken);
        var examples = GrpcExample().Matches(WebUtility.HtmlDecode(html)).DistinctBy(match => match.Groups["method"].Value)
            .ToDictionary(match => match.Groups["method"].Value, match => match.Groups, StringComparer.Ordinal);
        Assert.Equal(["todo.v1.Todos/List", "users.v1.Users/Login"], examples.Keys.Order(StringComparer.Ordinal));
        var port = gateway.HttpsAddress.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Assert.All(examples.Values, example => Assert.Equal(port, example["port"].Value));

        using var channel = gateway.Channel();
        var login = MicroPlatform.Users.V1.LoginRequest.Parser.ParseJson(examples["users.v1.Users/Login"]["message"].Value);
        var list = MicroPlatform.Todo.V1.ListRequest.Parser.ParseJson(examples["todo.v1.Todos/List"]["message"].Value);
        var tokens = (await new MicroPlatform.Users.V1.Users.UsersClient(channel).LoginAsync(login, GrpcExtensions.As(null))).Tokens;
        var todos = await new MicroPlatform.Todo.V1.Todos.TodosClient(channel).ListAsync(list, GrpcExtensions.As(tokens.AccessToken));
        Assert.NotEmpty(todos.Items);
    }

    [Theory]
    [InlineData(true, "Development", "curl -sk")]
    [InlineData(true, "Production", "curl -s ")]
    [InlineData(false, "Development", "curl -s ")]
    public async Task The_curl_examples_skip_certificate_checks_only_over_TLS_in_development(bool tls, string environment, string command)
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(behind, environment, ("SeedDemoData", "true"));
        using var http = gateway.Http(tls);
        var page = await http.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal(2, Curl().Count(page));
        Assert.All(Curl().Matches(page), match => Assert.StartsWith(command, match.Value, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/nothing", "/api/v1/products")]
    [InlineData("/api/v1/<b>nothing</b>", "/api/v1/products")]
    [InlineData("/protos/nothing.proto", "users.proto")]
    public async Task An_unknown_address_gives_browsers_a_page_and_other_clients_problem_details(string path, string says)
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        const string browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        foreach (var method in new[] { "GET", "HEAD" })
        {
            using var page = await http.SendAsync(method, path, headers: ("Accept", browser));
            var html = await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Equal((HttpStatusCode.NotFound, "text/html"), (page.StatusCode, page.Content.Headers.ContentType?.MediaType));
            var policy = Assert.Single(page.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
            Assert.Equal(method is "GET", html.Contains(says, StringComparison.Ordinal));
            Assert.Equal(method is "GET", html.Contains("href=\"/scalar/\"", StringComparison.Ordinal));
            Assert.DoesNotContain("{{", html, StringComparison.Ordinal);
        }

        string[] programs = ["*/*", "application/json", "text/event-stream", "image/*;q=0.1", "nonsense"];
        foreach (var (method, accept) in programs.Select(accept => ("GET", accept)).Append(("POST", browser)))
        {
            using var problem = await http.SendAsync(method, path, method is "POST" ? new { } : null, headers: ("Accept", accept));
            Assert.Equal("application/problem+json", problem.Content.Headers.ContentType?.MediaType);
        }
    }

    [Theory]
    [InlineData("true", "https://dashboard.example:17000/", true, true)]
    [InlineData("false", "javascript:alert(1)", false, false)]
    [InlineData(null, null, false, false)]
    public async Task Demo_accounts_and_the_dashboard_are_shown_only_when_configured(
        string? seed, string? dashboard, bool showsAccounts, bool showsDashboard)
    {
        await using var behind = await FakePlatform.StartAsync();
        await using var gateway = GatewayHost.Start(
            behind, "Production",
            [
                .. new[] { ("SeedDemoData", seed), ("Dashboard:Url", dashboard) }.Where(setting => setting.Item2 is not null)
                .Select(setting => (setting.Item1, setting.Item2!)),
            ]);
        using var http = gateway.Http();
        var page = await http.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal(
            (showsAccounts, showsDashboard),
            (
                page.Contains(TestPlatform.Password, StringComparison.Ordinal),
                page.Contains("dashboard", StringComparison.OrdinalIgnoreCase)));
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.DoesNotContain("javascript:", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_home_page_and_its_assets_weigh_less_than_50_KB_and_unchanged_assets_give_304()
    {
        await using var gateway = GatewayHost.Start(platform);
        using var http = gateway.Http();
        var page = await http.GetByteArrayAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        var weight = page.Length;
        foreach (var file in AssetLink().Matches(System.Text.Encoding.UTF8.GetString(
            page)).Select(match => match.Groups["file"].Value).Distinct(StringComparer.Ordinal))
        {
            using var response = await http.SendAsync("GET", file);
            weight += (await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).Length;
            Assert.Equal(
                HttpStatusCode.NotModified,
                await http.SendAsync("GET", file, headers: ("If-None-Match", response.Headers.ETag!.ToString())).StatusAsync());
        }

        Assert.InRange(weight, 20_000, 50_000);
    }

    [GeneratedRegex("(src|href)=\"(?<file>/pages/[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AssetLink();

    [GeneratedRegex("\\{[^}]+\\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parameter();

    [GeneratedRegex("nonce=\"(?<nonce>[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Nonce();

    [GeneratedRegex("<script [^>]*src=\"(?<file>[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Script();

    [GeneratedRegex(
        "href=\"/scalar/[^\"#]*#(?<document>[a-z]+)/tag/(?<tag>[a-z]+)/POST(?<path>/[^\"]+)\"", RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex SignIn();

    [GeneratedRegex("href=\"/protos/(?<file>[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ProtoLink();

    [GeneratedRegex("^package (?<name>[a-z0-9.]+);", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Package();

    // A page would render the first as markup, and a link to a file leads nowhere from there.
    [GeneratedRegex(
        "\"(title|summary|description)\":\\s*\"[^\"]*((<|\\\\u003[cC])[a-z]|\\.md\\b)",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MarkupOrFile();

    [GeneratedRegex(
        "-d '(?<message>[^']+)' [^'|]*?:(?<port>\\d+) (?<method>[a-zA-Z0-9.]+/[A-Za-z]+)",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex GrpcExample();

    [GeneratedRegex("curl -s[^h]*", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Curl();

    [GeneratedRegex("href=\"(?<to>[^\"#]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Link();
}
