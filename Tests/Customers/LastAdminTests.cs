using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

/// <summary>The shop always has an admin.</summary>
[Trait("Speed", "slow")]
public sealed class LastAdminTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    public async Task When_all_admins_step_down_or_delete_themselves_concurrently_one_remains_and_cannot_leave()
    {
        await using (var db = await platform.Db("customersdb"))
        {
            await using var command = new Npgsql.NpgsqlCommand("UPDATE customers SET is_admin = email = 'admin1@email.com'", db);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        var admins = new List<Account> { await http.LoginAsync(Accounts.Admin) };
        for (var i = 0; i < 5; i++)
        {
            admins.Add(await platform.RegisterAsync(isAdmin: true));
        }

        var statuses = await Task.WhenAll(admins.Select((admin, i) => LeaveAsync(admin, isDeleted: i % 2 == 1)));

        Assert.Equal(5, statuses.Count(status => status is HttpStatusCode.OK or HttpStatusCode.NoContent));
        Assert.Single(statuses, HttpStatusCode.Conflict);
        Assert.Equal(1, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE is_admin"));
        var last = await http.LoginAsync((await platform.QueryAsync<string>("customersdb", "SELECT email FROM customers WHERE is_admin"))!);
        Assert.Equal(HttpStatusCode.Conflict, await LeaveAsync(last, isDeleted: true));
        Assert.Equal(HttpStatusCode.Conflict, await LeaveAsync(last, isDeleted: false));
        Assert.Equal("Still", (await http.SendAsync("PATCH", Accounts.Me, new { firstName = "Still", isAdmin = true }, last.AccessToken)
            .JsonAsync()).Text("firstName"));
    }

    private Task<HttpStatusCode> LeaveAsync(Account admin, bool isDeleted) => isDeleted
        ? http.SendAsync("DELETE", Accounts.Me, token: admin.AccessToken).StatusAsync()
        : http.SendAsync("PATCH", Accounts.Me, new { isAdmin = false }, admin.AccessToken).StatusAsync();
}
