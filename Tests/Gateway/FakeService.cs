using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Text;
using MicroPlatform.Tests.Fixtures;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.Tests.Gateway;

/// <summary>A request as a service saw it.</summary>
internal sealed record Seen(string Method, string PathAndQuery, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public bool Is(string method, string pathAndQuery) =>
        string.Equals(Method, method, StringComparison.Ordinal) && string.Equals(PathAndQuery, pathAndQuery, StringComparison.Ordinal);
}

/// <summary>
/// A fake of a service behind the Gateway: a real server on loopback that records its requests.
/// Its gRPC methods are named after what they do, and exist in every gRPC service.
/// </summary>
internal sealed class FakeService : IAsyncDisposable
{
    /// <summary>Messages of the method <c>Flood</c>, which together exceed all buffers between it and a reader that pauses.</summary>
    public const int FloodMessages = 400;

    private const int FloodMessageLength = 64 * 1024;

    private readonly WebApplication app;

    private FakeService(WebApplication app, string name, RequestDelegate? answer)
    {
        (this.app, Name, Answer) = (app, name, answer ?? EchoAsync);
        app.Run(AnswerAsync);
    }

    public string Name { get; }

    /// <summary>The keys that it publishes.</summary>
    public string KeySet { get; set; } = TestTokens.KeySet;

    /// <summary>Answers REST requests, by default with 200 and the request.</summary>
    public RequestDelegate Answer { get; set; }

    public ConcurrentQueue<Seen> Requests { get; } = new();

    /// <summary>Completes when a waiting caller has disconnected.</summary>
    public TaskCompletionSource CallerLeft { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets the stream continue after its first message.</summary>
    public TaskCompletionSource Continue { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Http { get; private set; } = "";

    public string Grpc { get; private set; } = "";

    public static async Task<FakeService> StartAsync(string name, RequestDelegate? answer = null, int port = 0)
    {
        FakeService? service = null;
        await Eventually.TrueAsync(async () => (service = await TryStartAsync(name, answer, port)) is not null, $"port {port} is free");
        return service!;
    }

    /// <returns>Null when the port is taken: after its release another connection may have got it.</returns>
    private static async Task<FakeService?> TryStartAsync(string name, RequestDelegate? answer, int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port, endpoint => endpoint.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = HttpProtocols.Http2);
        });
        var service = new FakeService(builder.Build(), name, answer);
        try
        {
            await service.app.StartAsync(TestContext.Current.CancellationToken);
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await service.app.DisposeAsync();
            return null;
        }

        var addresses = service.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        (service.Http, service.Grpc) = (addresses.First(), addresses.Last());
        return service;
    }

    public async ValueTask DisposeAsync()
    {
        // Stops at once, like a killed process: calls in progress are cut off.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    /// <summary>Answers with the service's name and what it was asked for.</summary>
    public Task EchoAsync(HttpContext context) =>
        context.Response.WriteAsJsonAsync(new { service = Name, method = context.Request.Method, path = context.Request.Path.Value });

    /// <summary>Answers REST requests with this status and no body from now on.</summary>
    public void Refuse(int status) => Answer = context =>
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    };

    /// <summary>Sends nothing until the caller has disconnected.</summary>
    public async Task StaySilentAsync(HttpContext context)
    {
        await using var leaving = context.RequestAborted.Register(() => CallerLeft.TrySetResult());
        await CallerLeft.Task;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            await AnswerGrpcAsync(context);
            return;
        }

        if (context.Request.Path == "/.well-known/jwks.json")
        {
            await context.Response.WriteAsync(KeySet);
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        Remember(context, await reader.ReadToEndAsync(context.RequestAborted));
        await Answer(context);
    }

    private async Task AnswerGrpcAsync(HttpContext context)
    {
        var response = context.Response;
        var message = await ReadMessageAsync(context.Request.Body);
        Remember(context, message);
        response.ContentType = "application/grpc";
        response.Headers["x-header"] = "of " + Name;
        switch (context.Request.Path.Value!.Split('/')[^1])
        {
            case "Stream":
                await WriteMessageAsync(response, message + " 1");
                await Continue.Task;
                await WriteMessageAsync(response, message + " 2");
                break;
            case "Flood":
                await using (context.RequestAborted.Register(() => CallerLeft.TrySetResult()))
                {
                    for (var i = 0; i < FloodMessages; i++)
                    {
                        await WriteMessageAsync(response, new('x', FloodMessageLength));
                    }
                }

                break;
            case "Refuse":
                var status = new Google.Rpc.Status { Code = 3, Message = "no" };
                status.Details.Add(Google.Protobuf.WellKnownTypes.Any.Pack(new Google.Rpc.BadRequest
                {
                    FieldViolations = { new Google.Rpc.BadRequest.Types.FieldViolation { Field = "title", Description = "too long" } },
                }));
                response.AppendTrailer("grpc-status", "3");
                response.AppendTrailer("grpc-message", "no");
                response.AppendTrailer(
                    "grpc-status-details-bin", Convert.ToBase64String(Google.Protobuf.MessageExtensions.ToByteArray(status)));
                response.AppendTrailer("x-trailer", "of " + Name);
                return;
            case "RefuseAtOnce":
                response.Headers["grpc-status"] = "9";
                response.Headers["grpc-message"] = "not%20now";
                return;
            case "StaySilent":
                await StaySilentAsync(context);
                return;
            default:
                await WriteMessageAsync(response, message);
                break;
        }

        response.AppendTrailer("grpc-status", "0");
        response.AppendTrailer("x-trailer", "of " + Name);
    }

    private void Remember(HttpContext context, string body) => Requests.Enqueue(new(
        context.Request.Method,
        context.Request.Path.Value + context.Request.QueryString.Value,
        context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase),
        body));

    private static async Task<string> ReadMessageAsync(Stream body)
    {
        using var all = new MemoryStream();
        await body.CopyToAsync(all);
        return all.Length < 5 ? "" : Encoding.UTF8.GetString(all.ToArray().AsSpan(5));
    }

    private static async Task WriteMessageAsync(HttpResponse response, string message)
    {
        var text = Encoding.UTF8.GetBytes(message);
        var frame = new byte[5 + text.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), text.Length);
        text.CopyTo(frame, 5);
        await response.Body.WriteAsync(frame);
        await response.Body.FlushAsync();
    }
}

/// <summary>One fake for each service of the platform.</summary>
internal sealed class FakePlatform : IAsyncDisposable
{
    private readonly Dictionary<string, FakeService> services = new(StringComparer.Ordinal);

    public FakeService this[string name] => services[name];

    public IEnumerable<(string Key, string Value)> Settings => services.Values.SelectMany(service => new[]
    {
        ($"services:{service.Name}:http:0", service.Http),
        ($"services:{service.Name}:grpc:0", service.Grpc),
    });

    public static async Task<FakePlatform> StartAsync()
    {
        var platform = new FakePlatform();
        foreach (var name in TestPlatform.Names)
        {
            platform.services[name] = await FakeService.StartAsync(name);
        }

        return platform;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in services.Values)
        {
            await service.DisposeAsync();
        }
    }
}
