using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Npgsql;

namespace MicroPlatform.Tests.Fixtures;

/// <summary>The work that a request causes.</summary>
/// <param name="Statements">The SQL it ran.</param>
/// <param name="Calls">The other services' methods it called.</param>
internal sealed record Work(IReadOnlyList<string> Statements, IReadOnlyList<string> Calls)
{
    /// <summary>Sends a request with the given header, which must succeed, and returns the work in its trace.</summary>
    public static async Task<Work> OfAsync(Func<(string Name, string Value), Task<HttpResponseMessage>> send)
    {
        var (trace, statements, calls) = (ActivityTraceId.CreateRandom(), new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Npgsql" or "Grpc.Net.Client",
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (activity.TraceId == trace && activity.GetTagItem("db.query.text") is string sql)
                {
                    statements.Enqueue(sql);
                }

                if (activity.TraceId == trace && activity.GetTagItem("grpc.method") is string method)
                {
                    calls.Enqueue(method);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var response = await send(("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01"));
        Assert.True(response.IsSuccessStatusCode, $"The request gave {(int)response.StatusCode}.");
        return new([.. statements], [.. calls]);
    }
}

/// <summary>How PostgreSQL ran a statement.</summary>
/// <param name="Blocks">How many blocks it read.</param>
/// <param name="Nodes">The steps of the plan.</param>
internal sealed partial record Plan(long Blocks, IReadOnlyList<Plan.Node> Nodes)
{
    /// <summary>Runs the statement with these values for its parameters, in the order in which it names them.</summary>
    public static async Task<Plan> OfAsync(TestPlatform platform, string database, string sql, params object[] values)
    {
        await using var connection = await platform.Db(database);
        await using var command = new NpgsqlCommand("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql, connection);
        foreach (var (name, value) in Parameter().Matches(sql).Select(match => match.Value).Distinct(StringComparer.Ordinal).Zip(values))
        {
            command.Parameters.AddWithValue(name, value);
        }

        var plan = JsonDocument.Parse((string)(await command.ExecuteScalarAsync())!).RootElement[0].GetProperty("Plan");
        return new(
            plan.GetProperty("Shared Hit Blocks").GetInt64() + plan.GetProperty("Shared Read Blocks").GetInt64(), [.. NodesOf(plan)]);
    }

    private static IEnumerable<Node> NodesOf(JsonElement plan)
    {
        yield return new(
            plan.GetProperty("Node Type").GetString()!,
            plan.TryGetProperty("Relation Name", out var table) ? table.GetString() : null,
            (long)(plan.GetProperty("Actual Rows").GetDouble() * plan.GetProperty("Actual Loops").GetDouble()));
        if (plan.TryGetProperty("Plans", out var children))
        {
            foreach (var node in children.EnumerateArray().SelectMany(NodesOf))
            {
                yield return node;
            }
        }
    }

    [GeneratedRegex("@[A-Za-z_][A-Za-z0-9_]*", RegexOptions.None, matchTimeoutMilliseconds: 100)]
    private static partial Regex Parameter();

    /// <summary>A step of a plan, with the table that it reads, if any, and its rows in all loops.</summary>
    internal sealed record Node(string Type, string? Table, long Rows);
}
