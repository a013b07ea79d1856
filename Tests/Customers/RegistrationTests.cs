using System.Net;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Customers;

public sealed class RegistrationTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("customers");

    [Fact]
    [Trait("Covers", "A-CU-01")]
    public async Task A_registration_without_email_and_password_names_both_fields()
    {
        var problem = await http.SendAsync("POST", Accounts.Collection, new { }).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["email", "password"], problem.Fields);
    }

    [Fact]
    [Trait("Covers", "A-CU-02")]
    public async Task A_malformed_email_and_a_short_password_are_both_named()
    {
        var problem = await http.SendAsync("POST", Accounts.Collection, new { email = "nobody", password = "12345" }).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["email", "password"], problem.Fields);
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE email = 'nobody'"));
    }

    [Fact]
    [Trait("Covers", "A-CU-03")]
    public async Task A_valid_registration_stores_an_ordinary_customer()
    {
        var email = Accounts.NewEmail("valid");
        using var response = await http.SendAsync(
            "POST", Accounts.Collection, new { email, password = "longEnough1", firstName = "Ada", lastName = "Lovelace" });
        var customer = await Task.FromResult(response).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(
            ["createdAt", "email", "firstName", "id", "isAdmin", "lastName"],
            customer.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal((email, "Ada", "Lovelace"), (customer.Text("email"), customer.Text("firstName"), customer.Text("lastName")));
        Assert.False(customer.GetProperty("isAdmin").GetBoolean());
        var id = customer.GetProperty("id").GetInt64();
        Assert.Equal($"{Accounts.Collection}/{id}", response.Headers.Location?.OriginalString);
        Assert.False(await platform.QueryAsync<bool>("customersdb", "SELECT is_admin FROM customers WHERE id = $1", id));
        Assert.DoesNotContain(
            "longEnough1", await platform.QueryAsync<string>("customersdb", "SELECT password_hash FROM customers WHERE id = $1", id),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_location_of_a_new_customer_shows_the_customer()
    {
        var email = Accounts.NewEmail("located");
        using var response = await http.SendAsync("POST", Accounts.Collection, new { email, password = TestPlatform.Password });
        var token = (await http.LoginAsync(email)).AccessToken;
        Assert.Equal(
            email, (await http.SendAsync("GET", response.Headers.Location!.OriginalString, token: token).JsonAsync()).Text("email"));
    }

    [Fact]
    [Trait("Covers", "A-CU-04")]
    public async Task Registering_an_email_twice_is_a_conflict_on_email()
    {
        var body = new { email = Accounts.NewEmail("twice"), password = "longEnough1" };
        await http.SendAsync("POST", Accounts.Collection, body).JsonAsync(HttpStatusCode.Created);
        var problem = await http.SendAsync("POST", Accounts.Collection, body).ProblemAsync();
        Assert.Equal(HttpStatusCode.Conflict, problem.Status);
        Assert.Equal(["email"], problem.Fields);
    }

    [Fact]
    [Trait("Covers", "N-09")]
    public async Task Only_one_of_many_concurrent_registrations_of_one_email_succeeds_whatever_its_case()
    {
        var email = Accounts.NewEmail("race");
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            http.SendAsync(
                "POST", Accounts.Collection,
                new { email = i % 2 == 0 ? email : email.ToUpperInvariant(), password = "longEnough1" }).StatusAsync()));
        Assert.Equal(1, answers.Count(status => status == HttpStatusCode.Created));
        Assert.Equal(19, answers.Count(status => status == HttpStatusCode.Conflict));
        Assert.Equal(1, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE lower(email) = $1", email));
    }

    [Fact]
    [Trait("Covers", "N-04")]
    public async Task An_anonymous_caller_cannot_create_an_admin()
    {
        var email = Accounts.NewEmail("sneaky");
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await http.SendAsync(
                "POST", Accounts.Collection, new { email, password = "longEnough1", isAdmin = true }).ProblemAsync()).Status);
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE email = $1", email));
    }

    [Fact]
    [Trait("Covers", "N-04")]
    public async Task An_ordinary_customer_cannot_create_an_admin()
    {
        var status = await http.SendAsync(
            "POST", Accounts.Collection, new { email = Accounts.NewEmail(), password = "longEnough1", isAdmin = true },
            await platform.CustomerTokenAsync("nonadmin3@email.com")).StatusAsync();
        Assert.Equal(HttpStatusCode.Forbidden, status);
    }

    [Fact]
    public async Task An_admin_can_create_an_admin() => Assert.True(await platform.QueryAsync<bool>(
        "customersdb", "SELECT is_admin FROM customers WHERE id = $1", (await platform.RegisterAsync(isAdmin: true)).Id));

    [Fact]
    [Trait("Covers", "N-10")]
    public async Task A_password_of_5000_characters_is_refused()
    {
        var problem = await http.SendAsync(
            "POST", Accounts.Collection, new { email = Accounts.NewEmail(), password = new string('p', 5000) }).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["password"], problem.Fields);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(128)]
    public async Task Passwords_of_8_to_128_characters_are_accepted_and_sign_in(int length)
    {
        var (email, password) = (Accounts.NewEmail(), new string('ß', length));
        await http.SendAsync("POST", Accounts.Collection, new { email, password }).JsonAsync(HttpStatusCode.Created);
        await http.LoginAsync(email, password);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(129)]
    public async Task Passwords_of_other_lengths_are_refused(int length) => Assert.Equal(
        ["password"],
        (await http.SendAsync(
            "POST", Accounts.Collection, new { email = Accounts.NewEmail(), password = new string('p', length) }).ProblemAsync()).Fields);

    [Theory]
    [InlineData("""{"email":"nul@example.com","password":"longEnough1","firstName":"a\u0000b"}""", "firstName")]
    [InlineData("""{"email":"nul@example.com","password":"longEnough1","firstName":""}""", "firstName")]
    [InlineData("""{"email":"nul@example.com","password":"longEnough1","lastName":7}""", "lastName")]
    [InlineData("""{"email":"nul@example.com","password":"longEnough1","isAdmin":"yes"}""", "isAdmin")]
    [InlineData("""{"email":"nul@example.com","password":"longEnough1","id":7}""", "id")]
    [InlineData("""{"email":"nul@example.com","password":null}""", "password")]
    [InlineData("""{"email":"a@b@example.com","password":"longEnough1"}""", "email")]
    [InlineData("""{"email":"Nul <nul@example.com>","password":"longEnough1"}""", "email")]
    [InlineData("""["nul@example.com"]""", "body")]
    [InlineData("""{"email":"nul@example.com",""", "body")]
    [InlineData("null", "body")]
    [InlineData("", "body")]
    [Trait("Covers", "N-10")]
    public async Task A_bad_body_is_a_bad_request_that_names_the_field_and_stores_nothing(string body, string field)
    {
        var problem = await http.SendAsync("POST", Accounts.Collection, body).ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal([field], problem.Fields);
        Assert.Equal(
            0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE email LIKE '%nul@example.com%'"));
    }

    [Fact]
    public async Task An_email_longer_than_254_characters_is_refused() => Assert.Equal(
        ["email"],
        (await http.SendAsync(
            "POST", Accounts.Collection,
            new { email = new string('e', 243) + "@example.com", password = "longEnough1" }).ProblemAsync()).Fields);

    [Fact]
    [Trait("Covers", "N-11")]
    public async Task Credentials_in_the_query_string_are_ignored()
    {
        var problem = await http.SendAsync("POST", $"{Accounts.Collection}?email=query@example.com&password=longEnough1", new { })
            .ProblemAsync();
        Assert.Equal(HttpStatusCode.BadRequest, problem.Status);
        Assert.Equal(["email", "password"], problem.Fields);
        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM customers WHERE email = 'query@example.com'"));
    }

    [Fact]
    public async Task Registration_ignores_and_does_not_store_idempotency_keys()
    {
        var key = ("Idempotency-Key", "signup-1");
        var (first, second) = (Accounts.NewEmail(), Accounts.NewEmail());
        foreach (var token in new[] { null, await platform.CustomerTokenAsync(Accounts.Admin) })
        {
            await http.SendAsync("POST", Accounts.Collection, new { email = $"{token?.Length}{first}", password = "longEnough1" }, token,
                key).JsonAsync(HttpStatusCode.Created);
            await http.SendAsync("POST", Accounts.Collection, new { email = $"{token?.Length}{second}", password = "another123" }, token,
                key).JsonAsync(HttpStatusCode.Created);
            var again = await http.SendAsync("POST", Accounts.Collection,
                new { email = $"{token?.Length}{first}", password = "longEnough1" }, token, key).ProblemAsync();
            Assert.Equal((HttpStatusCode.Conflict, "email"), (again.Status, Assert.Single(again.Fields)));
        }

        Assert.Equal(0, await platform.QueryAsync<long>("customersdb", "SELECT count(*) FROM idempotency_keys"));
    }
}
