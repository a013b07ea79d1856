using System.ComponentModel;
using System.Security.Claims;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Users;

/// <summary>Accounts over REST: anyone may sign in, users manage their own account, admins manage roles.</summary>
internal static class UsersApi
{
    public static void MapUsersApi(this IEndpointRouteBuilder app)
    {
        var open = app.MapApi("/users", "Users").AllowAnonymous();
        open.MapPost("/", RegisterAsync).ProducesProblem(StatusCodes.Status409Conflict).WithSummary("Register a user");
        open.MapPost("/login", LoginAsync).NoStore().ProducesProblem(StatusCodes.Status401Unauthorized)
            .WithSummary("Sign in with username and password");
        open.MapPost("/refresh", RefreshAsync).NoStore().ProducesProblem(StatusCodes.Status401Unauthorized)
            .WithSummary("Exchange a refresh token for the next pair of tokens");
        open.MapPost("/logout", LogoutAsync).WithSummary("End the session of a refresh token");

        var me = app.MapApi("/users/me", "Users").RequireAuthorization(Policies.User);
        me.MapGet("/", GetMe).WithSummary("Show your account");
        me.MapPatch("/", UpdateMeAsync).WithSummary("Change your account");
        me.MapDelete("/", DeleteMeAsync)
            .WithSummary("Delete your account with its to-dos, and end every session; not for the last admin");
        me.MapPut("/password", ChangePasswordAsync).NoStore().ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Change your password, end every session and start a new one");

        app.MapApi("/users", "Users").RequireAuthorization(Policies.User)
            .MapGet("/{id:guid}", GetAsync).WithSummary("Show a user: yourself, or anyone if you are an admin");

        var admin = app.MapApi("/users", "Users").RequireAuthorization(Policies.Admin);
        admin.MapGet("/", ListAsync).WithSummary("List users, optionally those whose username or e-mail address contains a text");
        admin.MapPatch("/{id:guid}", ChangeRoleAsync)
            .WithSummary("Change a user's role and end the user's sessions; the last admin keeps the role");
    }

    private static async Task<Created<UserResponse>> RegisterAsync(
        RegisterUserRequest request, UserAccounts accounts, CancellationToken cancellationToken)
    {
        var user = await accounts.RegisterAsync(request, cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/users/{user.Id}", user);
    }

    private static async Task<Ok<TokenPair>> LoginAsync(LoginRequest request, UserAccounts accounts, CancellationToken cancellationToken) =>
        TypedResults.Ok(await accounts.LoginAsync(request, cancellationToken));

    private static async Task<Ok<TokenPair>> RefreshAsync(RefreshRequest request, SignIn signIn, CancellationToken cancellationToken) =>
        TypedResults.Ok(await signIn.RefreshAsync(request.RefreshToken!, cancellationToken));

    private static async Task<NoContent> LogoutAsync(RefreshRequest request, SignIn signIn, CancellationToken cancellationToken)
    {
        await signIn.EndAsync(request.RefreshToken!, cancellationToken);
        return TypedResults.NoContent();
    }

    private static Ok<UserResponse> GetMe(HttpContext http) => TypedResults.Ok(UserResponse.Of(http.Features.GetRequiredFeature<User>()));

    private static async Task<Ok<UserResponse>> UpdateMeAsync(
        UpdateMeRequest request, ClaimsPrincipal caller, UserAccounts accounts,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken) =>
        TypedResults.Ok(await accounts.UpdateAsync(caller.UserId(), request, preconditions, cancellationToken));

    private static async Task<NoContent> DeleteMeAsync(
        ClaimsPrincipal caller, UserAccounts accounts, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        await accounts.DeleteAsync(caller.UserId(), preconditions, cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<TokenPair>> ChangePasswordAsync(
        ChangePasswordRequest request, ClaimsPrincipal caller, UserAccounts accounts, CancellationToken cancellationToken) =>
        TypedResults.Ok(await accounts.ChangePasswordAsync(caller.UserId(), request, cancellationToken));

    private static async Task<Ok<Page<UserResponse>>> ListAsync(
        [AsParameters] PageQuery page, UsersDbContext db, CancellationToken cancellationToken,
        [Description("Part of a username or an e-mail address, case-insensitive, without wildcards.")] string? search = null)
    {
        var users = db.Accounts.AsNoTracking();
        if (!string.IsNullOrEmpty(search))
        {
            var pattern = Paging.ContainsPattern(search);
            users = users.Where(u => EF.Functions.ILike(u.Username, pattern, @"\") || EF.Functions.ILike(u.Email, pattern, @"\"));
        }

        return TypedResults.Ok(await users.ToPageAsync(page, u => u.Id, UserResponse.FromUser, u => u.Id, cancellationToken));
    }

    private static async Task<Ok<UserResponse>> GetAsync(
        Guid id, ClaimsPrincipal caller, UserAccounts accounts, CancellationToken cancellationToken) =>
        id == caller.UserId() || caller.IsInRole(Roles.Admin)
            ? TypedResults.Ok(await accounts.GetAsync(id, cancellationToken))
            : throw ProblemException.Forbidden("Only an admin sees other users.");

    private static async Task<Ok<UserResponse>> ChangeRoleAsync(
        Guid id, ChangeRoleRequest request, UserAccounts accounts,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken) =>
        TypedResults.Ok(await accounts.ChangeRoleAsync(id, request.Role!, preconditions, cancellationToken));
}
