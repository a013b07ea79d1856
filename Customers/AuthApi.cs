using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace MicroPlatform.Customers;

/// <summary>Signing in, staying signed in and signing out.</summary>
internal static class AuthApi
{
    public static void MapAuthApi(this IEndpointRouteBuilder app)
    {
        var auth = app.MapApi("/auth", "Authentication").AllowAnonymous();
        auth.MapPost("/login", LoginAsync).NoStore().ProducesProblem(StatusCodes.Status401Unauthorized)
            .WithSummary("Sign in with e-mail and password");
        auth.MapPost("/refresh", RefreshAsync).NoStore().ProducesProblem(StatusCodes.Status401Unauthorized)
            .WithSummary("Exchange a refresh token for the next pair of tokens");
        auth.MapPost("/logout", LogoutAsync).WithSummary("End the session of a refresh token");
    }

    private static async Task<Ok<TokenPair>> LoginAsync(LoginRequest request, SignIn signIn, CancellationToken cancellationToken) =>
        TypedResults.Ok(
            await signIn.StartAsync(request.Email!, Names.LooksLikeEmail(request.Email!), request.Password!, cancellationToken));

    private static async Task<Ok<TokenPair>> RefreshAsync(RefreshRequest request, SignIn signIn, CancellationToken cancellationToken) =>
        TypedResults.Ok(await signIn.RefreshAsync(request.RefreshToken!, cancellationToken));

    private static async Task<NoContent> LogoutAsync(RefreshRequest request, SignIn signIn, CancellationToken cancellationToken)
    {
        await signIn.EndAsync(request.RefreshToken!, cancellationToken);
        return TypedResults.NoContent();
    }
}
