using System.Net;
using System.Text.Json;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class CustomerListTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "A-UL-01")]
    public async Task An_ordinary_customer_may_not_list_customers() => Assert.Equal(
        HttpStatusCode.Forbidden,
        (await http.SendAsync(
            "GET", Accounts.Collection, token: await platform.CustomerTokenAsync("nonadmin3@email.com")).ProblemAsync()).Status);

    [Fact]
    [Trait("Covers", "A-UL-02")]
    public async Task An_admin_sees_five_more_customers_after_five_registrations_some_of_them_admins()
    {
        var before = await ListAsync("?limit=200");
        for (var i = 0; i < 5; i++)
        {
            await platform.RegisterAsync(isAdmin: i % 2 == 0);
        }

        var after = await ListAsync("?limit=200");
        Assert.Equal(before.Count + 5, after.Count);
        Assert.Contains(after, customer => customer.GetProperty("isAdmin").GetBoolean());
        Assert.Contains(after, customer => !customer.GetProperty("isAdmin").GetBoolean());
        Assert.Equal(after.Select(Id).Order(), after.Select(Id));
    }

    [Fact]
    [Trait("Covers", "A-UL-03")]
    public async Task Searching_for_a_whole_email_finds_exactly_that_customer()
    {
        var account = await platform.RegisterAsync(Accounts.NewEmail("Searched"));
        var found = Assert.Single(await ListAsync("?search=" + Uri.EscapeDataString(account.Email.ToUpperInvariant())));
        Assert.Equal(
            (account.Id, account.Email, "First", "Last", false),
            (Id(found), found.Text("email"), found.Text("firstName"), found.Text("lastName"), found.GetProperty("isAdmin").GetBoolean()));
    }

    [Theory]
    [InlineData("100%", "%25")]
    [InlineData("under_score", "r_s")]
    [InlineData("back\\slash", "k%5Cs")]
    [Trait("Covers", "N-12")]
    public async Task Wildcards_in_a_search_are_matched_literally(string name, string search)
    {
        var email = Accounts.NewEmail();
        await http.SendAsync("POST", Accounts.Collection, new { email, password = TestPlatform.Password, lastName = name })
            .JsonAsync(HttpStatusCode.Created);
        Assert.Equal(
            [name], (await ListAsync("?search=" + search)).Select(c => c.Text("lastName")).ToHashSet(StringComparer.Ordinal),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_search_that_nothing_matches_gives_an_empty_page() => Assert.Empty(await ListAsync("?search=no-such-customer"));

    private static long Id(JsonElement customer) => customer.GetProperty("id").GetInt64();

    private async Task<List<JsonElement>> ListAsync(string query) =>
        [
            .. (await http.SendAsync(
                "GET", Accounts.Collection + query,
                token: await platform.CustomerTokenAsync(Accounts.Admin)).JsonAsync()).GetProperty("items").EnumerateArray(),
        ];
}
