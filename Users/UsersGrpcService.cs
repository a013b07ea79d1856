using System.Globalization;
using Grpc.Core;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.IdentityModel.JsonWebTokens;

namespace MicroPlatform.Users;

/// <summary>Accounts over gRPC, with the rules and limits of the REST contract.</summary>
internal sealed class UsersGrpcService(UserAccounts accounts, SignIn signIn) : V1.Users.UsersBase
{
    [AllowAnonymous]
    public override async Task<V1.RegisterResponse> Register(V1.RegisterRequest request, ServerCallContext context)
    {
        var body = new RegisterUserRequest { Username = request.Username, Password = request.Password, Email = request.Email }.Validated();
        return new() { User = MessageOf(await accounts.RegisterAsync(body, context.CancellationToken)) };
    }

    [AllowAnonymous]
    public override async Task<V1.LoginResponse> Login(V1.LoginRequest request, ServerCallContext context)
    {
        var body = new LoginRequest { Username = request.Username, Password = request.Password }.Validated();
        return new() { Tokens = MessageOf(await accounts.LoginAsync(body, context.CancellationToken)) };
    }

    [AllowAnonymous]
    public override async Task<V1.RefreshResponse> Refresh(V1.RefreshRequest request, ServerCallContext context)
    {
        var body = new RefreshRequest { RefreshToken = request.RefreshToken }.Validated();
        return new() { Tokens = MessageOf(await signIn.RefreshAsync(body.RefreshToken!, context.CancellationToken)) };
    }

    public override async Task<V1.LogoutResponse> Logout(V1.LogoutRequest request, ServerCallContext context)
    {
        var body = new RefreshRequest { RefreshToken = request.RefreshToken }.Validated();
        await signIn.EndAsync(body.RefreshToken!, context.CancellationToken);
        return new();
    }

    [Reads]
    public override Task<V1.GetMeResponse> GetMe(V1.GetMeRequest request, ServerCallContext context) =>
        Task.FromResult<V1.GetMeResponse>(new()
        {
            User = MessageOf(UserResponse.Of(context.GetHttpContext().Features.GetRequiredFeature<User>())),
        });

    public override async Task<V1.UpdateMeResponse> UpdateMe(V1.UpdateMeRequest request, ServerCallContext context)
    {
        var body = new UpdateMeRequest
        {
            Username = request.HasUsername ? request.Username : null,
            Email = request.HasEmail ? request.Email : null,
        }.Validated();
        var user = await accounts.UpdateAsync(CallerOf(context), body, preconditions: default, context.CancellationToken);
        return new() { User = MessageOf(user) };
    }

    public override async Task<V1.ChangePasswordResponse> ChangePassword(V1.ChangePasswordRequest request, ServerCallContext context)
    {
        var body = new ChangePasswordRequest
        {
            CurrentPassword = request.CurrentPassword,
            NewPassword = request.NewPassword,
            // Only a form has to ask for the new password twice.
            ConfirmNewPassword = request.NewPassword,
        }.Validated();
        return new() { Tokens = MessageOf(await accounts.ChangePasswordAsync(CallerOf(context), body, context.CancellationToken)) };
    }

    public override async Task<V1.DeleteMeResponse> DeleteMe(V1.DeleteMeRequest request, ServerCallContext context)
    {
        await accounts.DeleteAsync(CallerOf(context), preconditions: default, context.CancellationToken);
        return new();
    }

    private static Guid CallerOf(ServerCallContext context) => context.GetHttpContext().User.UserId();

    private static V1.User MessageOf(UserResponse user) =>
        new()
        {
            Id = user.Id.ToString(),
            Username = user.Username,
            Email = user.Email,
            Role = user.Role,
            CreatedAt = user.CreatedAt.ToProto(),
        };

    private static V1.Tokens MessageOf(TokenPair tokens) => new()
    {
        AccessToken = tokens.AccessToken,
        Expiration = new JsonWebToken(tokens.AccessToken).ValidTo.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
        TokenType = tokens.TokenType,
        ExpiresIn = tokens.ExpiresIn,
        RefreshToken = tokens.RefreshToken,
    };
}
