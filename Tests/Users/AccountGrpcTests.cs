using System.Globalization;
using Grpc.Core;
using Grpc.Health.V1;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Users.V1;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using UsersClient = MicroPlatform.Users.V1.Users.UsersClient;

namespace MicroPlatform.Tests.Users;

/// <summary>Accounts as gRPC clients see them.</summary>
public sealed class AccountGrpcTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string Service = "users.v1.Users";
    private readonly UsersClient users = new(platform.Grpc("users"));

    [Fact]
    [Trait("Covers", "B-US-01")]
    public async Task A_registered_user_signs_in_and_gets_a_token_that_the_published_keys_verify()
    {
        var request = Registration();
        var registered = (await users.RegisterAsync(request, As(null))).User;
        Assert.Equal((request.Username, request.Email, "user"), (registered.Username, registered.Email, registered.Role));
        Assert.Equal(platform.Clock.GetUtcNow(), registered.CreatedAt.ToDateTimeOffset(), TimeSpan.FromMilliseconds(1));

        var tokens = (await users.LoginAsync(new() { Username = request.Username, Password = request.Password }, As(null))).Tokens;

        using var http = platform.Http("users");
        var keys = new JsonWebKeySet(await http.GetStringAsync(
            new Uri("/.well-known/jwks.json", UriKind.Relative), TestContext.Current.CancellationToken));
        var verified = await new JsonWebTokenHandler().ValidateTokenAsync(tokens.AccessToken, new()
        {
            IssuerSigningKeys = keys.GetSigningKeys(),
            ValidAlgorithms = ["RS256"],
            ValidIssuer = "microplatform/users",
            ValidAudience = "microplatform",
        });
        Assert.True(verified.IsValid, verified.Exception?.Message);
        Assert.Equal(registered.Id, verified.Claims["sub"]);
        var expires = verified.SecurityToken.ValidTo;
        Assert.Equal(platform.Clock.GetUtcNow().UtcDateTime.AddMinutes(15), expires, TimeSpan.FromSeconds(1));
        Assert.Equal(expires, DateTime.Parse(tokens.Expiration, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal));
        Assert.Equal(("Bearer", 900), (tokens.TokenType, tokens.ExpiresIn));
    }

    [Fact]
    [Trait("Covers", "B-US-02")]
    [Trait("Covers", "N-15")]
    public async Task An_unknown_name_and_a_wrong_password_are_refused_alike()
    {
        var known = await platform.NewUserAsync();
        var unknown = await users.LoginAsync(new() { Username = NewUsers.NewName(), Password = TestPlatform.Password }, As(null))
            .RefusalAsync();
        var wrong = await users.LoginAsync(new() { Username = known.Username, Password = "not-this-one" }, As(null)).RefusalAsync();
        Assert.Equal(StatusCode.Unauthenticated, unknown.Status);
        Assert.Equivalent(unknown, wrong, strict: true);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no-at-sign")]
    [InlineData("@nobody")]
    [InlineData("two@at@signs")]
    [InlineData("Name <name@example.com>")]
    [Trait("Covers", "B-US-03")]
    public async Task A_malformed_email_is_refused_with_the_field_named(string email)
    {
        var request = Registration();
        request.Email = email;
        var refusal = await users.RegisterAsync(request, As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, refusal.Status);
        Assert.Equal(["email"], refusal.Fields);
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.LoginAsync(new() { Username = request.Username, Password = request.Password }, As(null)).RefusalAsync()).Status);
    }

    [Fact]
    [Trait("Covers", "N-15")]
    public async Task Empty_credentials_are_refused_with_every_field_named()
    {
        var register = await users.RegisterAsync(new(), As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, register.Status);
        Assert.Equal(["email", "password", "username"], register.Fields);
        var login = await users.LoginAsync(new(), As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, login.Status);
        Assert.Equal(["password", "username"], login.Fields);
        var refresh = await users.RefreshAsync(new(), As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, refresh.Status);
        Assert.Equal(["refresh_token"], refresh.Fields);
    }

    public static TheoryData<string, string, string> BadRegistrations => new()
    {
        { "username", "two words", "password1" },
        { "username", "tab\tbed", "password1" },
        { "username", "nul\0", "password1" },
        { "username", new('u', 101), "password1" },
        { "username", "😀", "password1" },
        { "password", "fine", "short12" },
        { "password", "fine", new('p', 129) },
        { "password", "fine", new('p', 5000) },
    };

    [Theory]
    [MemberData(nameof(BadRegistrations))]
    [Trait("Covers", "N-10")]
    public async Task An_invalid_username_or_password_is_refused_with_the_field_named(string field, string username, string password)
    {
        var refusal = await users.RegisterAsync(
            new() { Username = username, Password = password, Email = "somebody@example.com" }, As(null)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, refusal.Status);
        Assert.Equal([field], refusal.Fields);
        Assert.Contains(field, refusal.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Covers", "N-15")]
    public async Task A_taken_username_or_email_is_refused_whatever_its_case()
    {
        var taken = await platform.NewUserAsync();
        var name = Registration();
        name.Username = taken.Username.ToUpperInvariant();
        var email = Registration();
        email.Email = taken.Email.ToUpperInvariant();
        foreach (var (request, field) in new[] { (name, "username"), (email, "email") })
        {
            var refusal = await users.RegisterAsync(request, As(null)).RefusalAsync();
            Assert.Equal(StatusCode.AlreadyExists, refusal.Status);
            Assert.Equal([field], refusal.Fields);
        }
    }

    [Fact]
    public async Task Only_register_login_and_refresh_are_open_to_anyone()
    {
        var me = await platform.NewUserAsync();
        foreach (var authorization in new[] { null, "", "garbage", "Basic " + me.AccessToken, $"Bearer {me.AccessToken} again", "Bearer" })
        {
            var refusals = new[]
            {
                await users.LogoutAsync(new() { RefreshToken = me.RefreshToken }, As(authorization)).RefusalAsync(),
                await users.GetMeAsync(new(), As(authorization)).RefusalAsync(),
                await users.UpdateMeAsync(new() { Username = "other" }, As(authorization)).RefusalAsync(),
                await users.ChangePasswordAsync(new(), As(authorization)).RefusalAsync(),
                await users.DeleteMeAsync(new(), As(authorization)).RefusalAsync(),
            };
            Assert.All(refusals, refusal => Assert.Equal(StatusCode.Unauthenticated, refusal.Status));
        }

        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As("Bearer " + me.AccessToken))).User.Username);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Bearer ")]
    [InlineData("bearer ")]
    [InlineData("BEARER  ")]
    public async Task A_token_is_accepted_with_or_without_its_scheme(string prefix)
    {
        var me = await platform.NewUserAsync();
        Assert.Equal(me.Id.ToString(), (await users.GetMeAsync(new(), As(prefix + me.AccessToken))).User.Id);
    }

    [Fact]
    public async Task An_update_changes_only_the_fields_it_contains()
    {
        var (me, other) = (await platform.NewUserAsync(), await platform.NewUserAsync());
        var newName = NewUsers.NewName("Renamed");
        var renamed = (await users.UpdateMeAsync(new() { Username = newName }, As(me.AccessToken))).User;
        Assert.Equal((newName, me.Email), (renamed.Username, renamed.Email));
        var moved = (await users.UpdateMeAsync(new() { Email = "new-" + me.Email }, As(me.AccessToken))).User;
        Assert.Equal((newName, "new-" + me.Email), (moved.Username, moved.Email));
        Assert.Equal(moved, (await users.GetMeAsync(new(), As(me.AccessToken))).User);

        var taken = await users.UpdateMeAsync(new() { Username = other.Username }, As(me.AccessToken)).RefusalAsync();
        Assert.Equal((StatusCode.AlreadyExists, "username"), (taken.Status, Assert.Single(taken.Fields)));
        var empty = await users.UpdateMeAsync(new() { Username = "" }, As(me.AccessToken)).RefusalAsync();
        Assert.Equal((StatusCode.InvalidArgument, "username"), (empty.Status, Assert.Single(empty.Fields)));
        Assert.Equal(StatusCode.InvalidArgument, (await users.UpdateMeAsync(new(), As(me.AccessToken)).RefusalAsync()).Status);
        Assert.Equal(moved, (await users.GetMeAsync(new(), As(me.AccessToken))).User);
    }

    [Fact]
    [Trait("Covers", "N-06")]
    public async Task A_password_change_needs_the_current_password_and_ends_every_session()
    {
        var me = await platform.NewUserAsync();
        var elsewhere = (await users.LoginAsync(new() { Username = me.Username, Password = TestPlatform.Password }, As(null))).Tokens;
        var wrong = await users.ChangePasswordAsync(
            new() { CurrentPassword = "not-this-one", NewPassword = "another123" }, As(me.AccessToken)).RefusalAsync();
        Assert.Equal((StatusCode.InvalidArgument, "current_password"), (wrong.Status, Assert.Single(wrong.Fields)));
        var missing = await users.ChangePasswordAsync(new() { NewPassword = "short" }, As(me.AccessToken)).RefusalAsync();
        Assert.Equal(StatusCode.InvalidArgument, missing.Status);
        Assert.Equal(["current_password", "new_password"], missing.Fields);

        var tokens = (await users.ChangePasswordAsync(
            new() { CurrentPassword = TestPlatform.Password, NewPassword = "another123" }, As(me.AccessToken))).Tokens;

        foreach (var old in new[] { me.AccessToken, elsewhere.AccessToken })
        {
            Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(old)).RefusalAsync()).Status);
        }

        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.RefreshAsync(new() { RefreshToken = elsewhere.RefreshToken }, As(null)).RefusalAsync()).Status);
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.LoginAsync(new() { Username = me.Username, Password = TestPlatform.Password }, As(null)).RefusalAsync()).Status);
        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As(tokens.AccessToken))).User.Username);
        Assert.NotEmpty((await users.LoginAsync(new() { Username = me.Username, Password = "another123" }, As(null))).Tokens.AccessToken);
    }

    [Fact]
    public async Task A_reused_refresh_token_gives_another_pair_within_ten_seconds_and_ends_the_session_afterwards()
    {
        var me = await platform.NewUserAsync();
        var next = (await users.RefreshAsync(new() { RefreshToken = me.RefreshToken }, As(null))).Tokens;
        platform.Clock.Advance(TimeSpan.FromSeconds(9));
        var another = (await users.RefreshAsync(new() { RefreshToken = me.RefreshToken }, As(null))).Tokens;
        Assert.NotEqual(next.RefreshToken, another.RefreshToken, StringComparer.Ordinal);
        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As(next.AccessToken))).User.Username);
        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As(another.AccessToken))).User.Username);
        platform.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.RefreshAsync(new() { RefreshToken = me.RefreshToken }, As(null)).RefusalAsync()).Status);
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.RefreshAsync(new() { RefreshToken = next.RefreshToken }, As(null)).RefusalAsync()).Status);
        Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(next.AccessToken)).RefusalAsync()).Status);
    }

    [Fact]
    public async Task Logging_out_ends_this_session_at_once_and_no_other()
    {
        var me = await platform.NewUserAsync();
        var elsewhere = (await users.LoginAsync(new() { Username = me.Username, Password = TestPlatform.Password }, As(null))).Tokens;
        await users.LogoutAsync(new() { RefreshToken = me.RefreshToken }, As(me.AccessToken));
        Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(me.AccessToken)).RefusalAsync()).Status);
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.RefreshAsync(new() { RefreshToken = me.RefreshToken }, As(null)).RefusalAsync()).Status);
        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As(elsewhere.AccessToken))).User.Username);
    }

    [Fact]
    public async Task Deleting_an_account_deletes_its_sessions_and_frees_its_username_and_email()
    {
        var me = await platform.NewUserAsync();
        await users.DeleteMeAsync(new(), As(me.AccessToken));
        Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(me.AccessToken)).RefusalAsync()).Status);
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.LoginAsync(new() { Username = me.Username, Password = TestPlatform.Password }, As(null)).RefusalAsync()).Status);
        Assert.Equal(0, await platform.QueryAsync<long>("usersdb", "SELECT count(*) FROM sessions WHERE account_id = $1", me.Id));
        var again = (await users.RegisterAsync(
            new() { Username = me.Username, Password = TestPlatform.Password, Email = me.Email }, As(null))).User;
        Assert.NotEqual(me.Id.ToString(), again.Id, StringComparer.Ordinal);
    }

    [Fact]
    public async Task The_last_admin_account_cannot_be_deleted()
    {
        var refusal = await users.DeleteMeAsync(new(), As(await platform.UserTokenAsync("admin"))).RefusalAsync();
        Assert.Equal(StatusCode.FailedPrecondition, refusal.Status);
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xFF })]
    [InlineData(new byte[] { 0x0A, 0x05, 0x61 })]
    [InlineData(new byte[] { 0x0A, 0x02, 0xC3, 0x28 })]
    public async Task A_malformed_message_is_an_invalid_argument(byte[] message)
    {
        using var channel = platform.Grpc("users");
        Assert.Equal(StatusCode.InvalidArgument, (await channel.CallRaw(Service, "Login", message).RefusalAsync()).Status);
        // Field 1 has the wrong type, so the method takes it for missing.
        Assert.Equal(["password", "username"], (await channel.CallRaw(Service, "Login", [0x08, 0x01]).RefusalAsync()).Fields);
    }

    [Fact]
    public async Task An_unknown_method_is_unimplemented_and_the_health_check_reports_serving()
    {
        using var channel = platform.Grpc("users");
        Assert.Equal(
            StatusCode.Unimplemented,
            (await channel.CallRaw(Service, "BecomeAdmin", [], await platform.UserTokenAsync("alice")).RefusalAsync()).Status);
        var health = await new Health.HealthClient(channel).CheckAsync(new(), As(null));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, health.Status);
    }

    private static RegisterRequest Registration()
    {
        var name = NewUsers.NewName();
        return new() { Username = name, Password = TestPlatform.Password, Email = $"{name}@example.com" };
    }
}
