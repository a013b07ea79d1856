using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Gateway;

/// <summary>A stream of server-sent events as a browser holds it open.</summary>
internal sealed class Events : IAsyncDisposable
{
    private readonly HttpResponseMessage response;
    private readonly CancellationTokenSource leaving;
    private readonly IAsyncEnumerator<SseItem<string>> items;
    private Task<bool>? next;

    private Events(HttpResponseMessage response, Stream stream)
    {
        (this.response, leaving) = (response, CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken));
        items = SseParser.Create(stream).EnumerateAsync(leaving.Token).GetAsyncEnumerator(leaving.Token);
    }

    public HttpResponseMessage Response => response;

    public static async Task<HttpResponseMessage> AskAsync(HttpClient http, string path, string? token = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.ParseAdd("text/event-stream");
        request.Headers.AcceptEncoding.ParseAdd("gzip, br");
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
    }

    public static async Task<Events> OpenAsync(HttpClient http, string path, string? token = null)
    {
        var answer = await AskAsync(http, path, token);
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        return new(answer, await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>The next event; <paramref name="pass"/> moves the clock while it waits. Null when the stream has ended.</summary>
    public async Task<SseItem<string>?> NextAsync(Action? pass = null)
    {
        next ??= items.MoveNextAsync().AsTask();
        await Eventually.TrueAsync(() =>
        {
            if (!next.IsCompleted)
            {
                pass?.Invoke();
            }

            return Task.FromResult(next.IsCompleted);
        }, "an event arrives or the stream ends");
        var isOne = await next;
        next = null;
        return isOne ? items.Current : null;
    }

    /// <summary>
    /// The next event of none of these types: how many of these arrive in between depends on the speed of the machine.
    /// </summary>
    public async Task<SseItem<string>?> NextExceptAsync(Action pass, params string[] types)
    {
        var item = await NextAsync(pass);
        while (item is { } one && types.Contains(one.EventType, StringComparer.Ordinal))
        {
            item = await NextAsync(pass);
        }

        return item;
    }

    public async ValueTask DisposeAsync()
    {
        // Cancel and wait first: disposing the answer during a read would read it twice at the same time.
        await leaving.CancelAsync();
        try
        {
            await (next ?? Task.FromResult(false));
            await items.DisposeAsync();
        }
        catch (Exception cut) when (cut is IOException or OperationCanceledException)
        {
            // The stream was closed in the middle, as a browser does.
        }

        response.Dispose();
        leaving.Dispose();
    }
}
