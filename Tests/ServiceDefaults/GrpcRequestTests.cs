using System.Net;
using System.Net.Http.Headers;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>Which requests are gRPC calls. All others get the statuses, problem details and time limits of REST.</summary>
public sealed class GrpcRequestTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Method = "/todo.v1.Todos/List";

    [Theory]
    [InlineData("HTTP/2", "POST", Method, "application/grpc", true)]
    [InlineData("HTTP/2", "POST", Method, "application/grpc+proto", true)]
    [InlineData("HTTP/2", "POST", Method, "Application/gRPC; charset=utf-8", true)]
    [InlineData("HTTP/2", "POST", "/grpc.health.v1.Health/Check", "application/grpc", true)]
    [InlineData("HTTP/1.1", "POST", Method, "application/grpc", false)]
    [InlineData("HTTP/1.0", "POST", Method, "application/grpc", false)]
    [InlineData("HTTP/2", "GET", Method, "application/grpc", false)]
    [InlineData("HTTP/2", "PUT", Method, "application/grpc", false)]
    [InlineData("HTTP/2", "POST", Method, "application/grpc-web", false)]
    [InlineData("HTTP/2", "POST", Method, "application/grpc-web+proto", false)]
    [InlineData("HTTP/2", "POST", Method, "application/grpc+json", false)]
    [InlineData("HTTP/2", "POST", Method, "application/json", false)]
    [InlineData("HTTP/2", "POST", Method, null, false)]
    [InlineData("HTTP/2", "POST", "/api/v1/todos", "application/grpc", false)]
    [InlineData("HTTP/2", "POST", "/api/v1", "application/grpc", false)]
    [InlineData("HTTP/2", "POST", "/.well-known/jwks.json", "application/grpc", false)]
    [InlineData("HTTP/2", "POST", "/openapi/todo.json", "application/grpc", false)]
    [InlineData("HTTP/2", "POST", Method + "/", "application/grpc", false)]
    [InlineData("HTTP/2", "POST", "/", "application/grpc", false)]
    public void Protocol_verb_path_and_content_type_identify_a_call(string protocol, string verb, string path, string? type, bool expected)
    {
        var context = new DefaultHttpContext { Request = { Protocol = protocol, Method = verb, Path = path, ContentType = type } };
        Assert.Equal(expected, context.IsGrpc());
    }

    [Theory]
    [InlineData("GET", "/api/v1/todos", HttpStatusCode.Unauthorized)]
    [InlineData("POST", "/api/v1/todos", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("DELETE", "/api/v1/todos", HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", "/api/v1/nothing", HttpStatusCode.NotFound)]
    public async Task A_refused_REST_request_gets_problem_details_for_any_content_type(string verb, string path, HttpStatusCode expected)
    {
        foreach (var type in new[] { "application/grpc", "application/grpc+proto", "application/grpc-web" })
        {
            foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
            {
                Assert.Equal((type, version, expected), (type, version, await StatusAsync(verb, path, type, version)));
            }
        }
    }

    [Theory]
    [InlineData("application/grpc", "1.1", HttpStatusCode.UpgradeRequired)]
    [InlineData("application/json", "1.1", HttpStatusCode.UpgradeRequired)]
    [InlineData("application/grpc-web", "2.0", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpc+json", "2.0", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", "2.0", HttpStatusCode.UnsupportedMediaType)]
    public async Task A_gRPC_method_refuses_other_protocols_and_content_types(string type, string version, HttpStatusCode expected) =>
        Assert.Equal(expected, await StatusAsync("POST", Method, type, new(version)));

    private async Task<HttpStatusCode> StatusAsync(string verb, string path, string type, Version version)
    {
        using var http = platform.Http("todo");
        using var request = new HttpRequestMessage(new(verb), path)
        {
            Version = version,
            Content = new ByteArrayContent("{}"u8.ToArray()) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } },
        };
        return (await http.SendAsync(request, TestContext.Current.CancellationToken).ProblemAsync()).Status;
    }
}
