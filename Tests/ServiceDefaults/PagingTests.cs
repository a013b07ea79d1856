using System.Net;
using CsCheck;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.ServiceDefaults;

public sealed class PagingTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const int Demo = 4;
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "N-17")]
    public async Task Paging_returns_every_item_once_in_order_whatever_the_page_size()
    {
        var token = await platform.CustomerTokenAsync("admin1@email.com");
        for (var i = 0; i < 7; i++)
        {
            await http.SendAsync("POST", "/api/v1/customers", new { email = $"walk-{i}@example.com", password = "longEnough1" })
                .JsonAsync(HttpStatusCode.Created);
        }

        await Gen.Int[1, 12].SampleAsync(async limit =>
        {
            var ids = new List<long>();
            string? cursor = null;
            do
            {
                var page = await http.SendAsync("GET", $"/api/v1/customers?limit={limit}&cursor={cursor}", token: token).JsonAsync();
                Assert.InRange(page.GetProperty("items").GetArrayLength(), 1, limit);
                ids.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetInt64()));
                cursor = page.GetProperty("nextCursor").GetString();
            }
            while (cursor is not null);

            Assert.Equal(Demo + 7, ids.Count);
            Assert.Equal(ids.Order().Distinct(), ids);
        }, iter: 12, threads: 1);
    }

    [Theory]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=201", "limit")]
    [InlineData("limit=ten", "limit")]
    [InlineData("limit=99999999999", "limit")]
    [InlineData("cursor=%20", "cursor")]
    [InlineData("cursor=bm90IGEgbnVtYmVy", "cursor")]
    [Trait("Covers", "N-10")]
    public async Task An_invalid_page_parameter_is_refused_with_the_field_named(string query, string field)
    {
        var problem = await http.SendAsync(
            "GET", $"/api/v1/customers?{query}", token: await platform.CustomerTokenAsync("admin1@email.com")).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
    }

    [Theory]
    [InlineData("100%", @"%100\%%")]
    [InlineData("a_b", @"%a\_b%")]
    [InlineData(@"c\d", @"%c\\d%")]
    [Trait("Covers", "N-12")]
    public void Wildcards_in_a_search_are_ordinary_characters(string text, string pattern) =>
        Assert.Equal(pattern, Paging.ContainsPattern(text));
}
