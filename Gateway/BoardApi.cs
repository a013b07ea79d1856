using System.Globalization;
using System.Net;
using System.Text.Json;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace MicroPlatform.Gateway;

/// <summary>
/// An overview of the back office, for staff. One query to the services serves all viewers, and none runs without a viewer.
/// </summary>
internal static class BoardApi
{
    private const string Sales = "sales";
    private const string Warehouse = "warehouse";
    private const int Most = 10;

    public static void AddBoard(this WebApplicationBuilder builder)
    {
        builder.AddRestClient(Warehouse);
        builder.Services.AddSingleton<CoalescedQuery<Board>>();
        builder.Services.AddTransient<BoardGatherer>();
    }

    public static void MapBoardApi(this IEndpointRouteBuilder app)
    {
        var board = app.MapApi("/overview/board", "Overview").RequireAuthorization(Policies.Staff);
        board.MapGet("/", GetAsync)
            .WithSummary("Show the board: orders, revenue of the last days, items low in stock, pending and failed events")
            .WithDescription("The data is up to 2 seconds old, because all callers share one query.");
        board.MapGet("/stream", StreamAsync).WithMetadata(new StreamMetadata())
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream")
            .WithSummary("Watch the board with server-sent events")
            .WithDescription(
                "An event `board` with the board as JSON at once and whenever it changes, looked at every 2 seconds, "
                + "and an event `heartbeat` every 10 seconds while it does not.\n"
                + "When the token expires the stream ends with the event `expired`: sign in again, or refresh, and reconnect.");
    }

    private static async Task<Ok<Board>> GetAsync(HttpContext context, BoardGatherer gatherer)
    {
        context.Response.Headers.CacheControl = "no-cache";
        return TypedResults.Ok(await gatherer.GetAsync(Authentication.TokenOf(context.Request), context.RequestAborted));
    }

    private static async Task<IResult> StreamAsync(
        HttpContext context, BoardGatherer gatherer, LiveStreams streams, IOptions<JsonOptions> json)
    {
        var token = Authentication.TokenOf(context.Request);
        // The first query runs before the response starts, so that a refusal gets its own status code.
        await gatherer.GetAsync(token, context.RequestAborted);
        var expires = DateTimeOffset.FromUnixTimeSeconds(long.Parse(context.User.FindFirst("exp")!.Value, CultureInfo.InvariantCulture));
        return TypedResults.ServerSentEvents(streams.WatchAsync("board", LookAsync, expires, context.RequestAborted));

        async Task<string?> LookAsync(CancellationToken leaving)
        {
            try
            {
                return JsonSerializer.Serialize(await gatherer.GetAsync(token, leaving), json.Value.SerializerOptions);
            }
            catch (ProblemException)
            {
                return null; // no longer staff
            }
        }
    }

    /// <summary>Calls the services with the viewer's token, so that each service authorizes the call itself.</summary>
    private sealed class BoardGatherer(CoalescedQuery<Board> query, IHttpClientFactory http, ILogger<Board> logger)
    {
        public Task<Board> GetAsync(string? token, CancellationToken cancellationToken) =>
            query.GetAsync(cancel => GatherAsync(token, cancel), cancellationToken);

        private async Task<Board> GatherAsync(string? token, CancellationToken cancellationToken)
        {
            var unavailable = new List<string>();
            var selling = TryAsync<BoardSales>(Sales, $"{Api.Prefix}/sales/summary");
            var keeping = TryAsync<Page<OverviewItem>>(Warehouse, $"{Api.Prefix}/warehouse/items?lowStock=true&limit={Most}");
            var failing = TryAsync<Page<BoardDeadLetter>>(Sales, $"{Api.Prefix}/sales/dead-letters?limit={Most}");
            await Task.WhenAll(selling, keeping, failing); // also when one is refused, so that no request outlives its caller
            var (sales, items, dead) = (await selling, await keeping, await failing);
            return new(
                sales?.Orders, sales?.Days, sales?.Events, dead, items,
                [.. unavailable.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);

            async Task<T?> TryAsync<T>(string service, string path) where T : class
            {
                try
                {
                    return await http.FetchAsync<T>(service, path, token, cancellationToken);
                }
                catch (HttpRequestException refused) when (refused.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
                {
                    throw new ProblemException((int)refused.StatusCode, $"The {service} service does not accept the token.");
                }
                catch (Exception failure) when (failure.IsDown())
                {
                    logger.LogWarning("The board is without {Service}: {Reason}", service, failure.Message);
                    lock (unavailable)
                    {
                        unavailable.Add(service);
                    }

                    return null;
                }
            }
        }
    }

    /// <summary>The summary of Sales.</summary>
    private sealed record BoardSales(BoardOrders Orders, IReadOnlyList<BoardDay> Days, BoardEvents Events);
}
