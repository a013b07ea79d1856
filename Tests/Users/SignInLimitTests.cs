using System.Net;
using Grpc.Core;
using MicroPlatform.Tests.Fixtures;
using static MicroPlatform.Tests.Fixtures.GrpcExtensions;
using UsersClient = MicroPlatform.Users.V1.Users.UsersClient;

namespace MicroPlatform.Tests.Users;

/// <summary>How failed sign-ins and tokens expire.</summary>
public sealed class SignInLimitTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private readonly HttpClient http = platform.Http("users");
    private readonly UsersClient users = new(platform.Grpc("users"));

    [Fact]
    public async Task After_ten_failures_even_the_correct_password_is_refused_for_a_time_over_REST_and_gRPC()
    {
        var me = await platform.NewUserAsync();
        for (var i = 0; i < 10; i++)
        {
            // Failures over REST and gRPC count together, in every case of the name.
            if (i % 2 == 0)
            {
                Assert.Equal(
                    HttpStatusCode.Unauthorized,
                    await http.SendAsync("POST", NewUsers.Login, new { username = me.Username.ToUpperInvariant(), password = "wrong" })
                        .StatusAsync());
            }
            else
            {
                Assert.Equal(
                    StatusCode.Unauthenticated,
                    (await users.LoginAsync(new() { Username = me.Username, Password = "wrong" }, As(null)).RefusalAsync()).Status);
            }
        }

        platform.Clock.Advance(TimeSpan.FromMinutes(5));
        using var limited = await http.SendAsync("POST", NewUsers.Login, new { username = me.Username, password = TestPlatform.Password });
        Assert.Equal(HttpStatusCode.TooManyRequests, limited.StatusCode);
        Assert.Equal(TimeSpan.FromMinutes(10), limited.Headers.RetryAfter!.Delta);
        var refusal = await users.LoginAsync(new() { Username = me.Username, Password = TestPlatform.Password }, As(null)).RefusalAsync();
        Assert.Equal(StatusCode.ResourceExhausted, refusal.Status);
        Assert.InRange(refusal.RetryAfter!.Value, TimeSpan.FromSeconds(599), TimeSpan.FromSeconds(601));

        platform.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.NotEmpty((await users.LoginAsync(
            new() { Username = me.Username, Password = TestPlatform.Password }, As(null))).Tokens.AccessToken);
    }

    [Fact]
    public async Task An_access_token_is_valid_for_fifteen_minutes_and_its_session_for_two_weeks()
    {
        var me = await platform.NewUserAsync();
        platform.Clock.Advance(TimeSpan.FromMinutes(14.9));
        Assert.Equal(me.Username, (await users.GetMeAsync(new(), As(me.AccessToken))).User.Username);
        platform.Clock.Advance(TimeSpan.FromMinutes(0.3));
        Assert.Equal(StatusCode.Unauthenticated, (await users.GetMeAsync(new(), As(me.AccessToken)).RefusalAsync()).Status);
        platform.Clock.Advance(TimeSpan.FromDays(13));
        var next = (await users.RefreshAsync(new() { RefreshToken = me.RefreshToken }, As(null))).Tokens;
        platform.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(
            StatusCode.Unauthenticated,
            (await users.RefreshAsync(new() { RefreshToken = next.RefreshToken }, As(null)).RefusalAsync()).Status);
    }
}
