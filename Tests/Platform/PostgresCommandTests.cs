using System.Net;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Platform;

/// <summary>The commands of the resource <c>postgres</c>, as the dashboard and <c>aspire resource postgres</c> run them.</summary>
[Collection(PlatformTestGroup.Name)]
[Trait("Speed", "slow")]
public sealed class PostgresCommandTests(RunningPlatform platform)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Check_invariants_answers_with_a_line_for_each_invariant()
    {
        var result = await platform.Engine.CommandAsync("postgres", "check-invariants");

        Assert.Equal("All 8 invariants hold.", result.Message);
        var lines = result.Data!.Value.Split('\n');
        Assert.Equal(8, lines.Length);
        Assert.All(lines, line => Assert.Matches("^ok    .+: [0-9]+ checks of [a-z ]+, 0 violations$", line));
    }

    [Fact]
    public async Task Check_invariants_fails_and_lists_the_violations()
    {
        await ExecuteAsync("UPDATE transactions SET sum = sum + 1 WHERE id = 1");
        try
        {
            var result = await platform.Engine.ExecuteAsync("postgres", "check-invariants");

            Assert.False(result.Success);
            Assert.Equal("1 of 8 invariants do not hold.", result.Message);
            Assert.Contains(
                "FAIL  Every confirmed order has one live transaction of its sum", result.Data!.Value, StringComparison.Ordinal);
            Assert.Contains("      Order 1 costs 150.00, but 151.00 was posted.", result.Data.Value, StringComparison.Ordinal);
        }
        finally
        {
            await ExecuteAsync("UPDATE transactions SET sum = sum - 1 WHERE id = 1");
        }
    }

    [Fact]
    public async Task Reset_demo_data_deletes_a_new_account_keeps_the_demo_accounts_and_serves_again()
    {
        using var http = platform.Http();
        var email = $"{Guid.NewGuid():N}@email.com";
        await http.SendAsync("POST", "/api/v1/customers", new { email, password = TestPlatform.Password })
            .JsonAsync(HttpStatusCode.Created);

        await platform.Engine.CommandAsync("postgres", "reset-demo-data");
        await Task.WhenAll(platform.Engine.Services.Select(platform.Engine.WaitUntilReadyAsync));

        Assert.Equal(
            HttpStatusCode.Unauthorized,
            await http.SendAsync("POST", "/api/v1/auth/login", new { email, password = TestPlatform.Password }).StatusAsync());
        Assert.Equal(
            HttpStatusCode.OK,
            await http.SendAsync("POST", "/api/v1/auth/login", new { email = "nonadmin3@email.com", password = TestPlatform.Password })
                .StatusAsync());
        await platform.Engine.CommandAsync("postgres", "check-invariants");
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var accounting = NpgsqlDataSource.Create(platform.Engine.ConnectionString("accountingdb"));
        await using var command = accounting.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
