using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Users.Events;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Users;

/// <summary>The rules of accounts, the same over REST and gRPC.</summary>
internal sealed class UserAccounts(UsersDbContext db, SignIn signIn, EventBus<UsersDbContext> events, TimeProvider time)
{
    public async Task<UserResponse> RegisterAsync(RegisterUserRequest request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var user = new User
        {
            Id = Guid.CreateVersion7(now),
            Username = request.Username!,
            Email = request.Email!,
            PasswordHash = signIn.Hash(request.Password!),
            CreatedAt = now,
        };
        db.Add(user);
        await SaveAsync(cancellationToken);
        return UserResponse.Of(user);
    }

    public Task<TokenPair> LoginAsync(LoginRequest request, CancellationToken cancellationToken) =>
        signIn.StartAsync(request.Username!, Names.LooksLikeUsername(request.Username!), request.Password!, cancellationToken);

    public async Task<UserResponse> GetAsync(Guid id, CancellationToken cancellationToken) =>
        await db.Accounts.Where(u => u.Id == id).Select(UserResponse.FromUser).SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("user", id);

    public async Task<UserResponse> UpdateAsync(
        Guid id, UpdateMeRequest request, Preconditions preconditions, CancellationToken cancellationToken)
    {
        if (request == new UpdateMeRequest())
        {
            throw ProblemException.Invalid("body", "Name at least one field to change: username, email.");
        }

        var user = await FindAsync(id, preconditions, cancellationToken);
        // An unchanged value keeps its key, which older rules may have made.
        if (request.Username is { } username && !string.Equals(username, user.Username, StringComparison.Ordinal))
        {
            user.Username = username;
        }

        if (request.Email is { } email && !string.Equals(email, user.Email, StringComparison.Ordinal))
        {
            user.Email = email;
        }

        await SaveAsync(cancellationToken);
        return UserResponse.Of(user);
    }

    public async Task<TokenPair> ChangePasswordAsync(Guid id, ChangePasswordRequest request, CancellationToken cancellationToken)
    {
        var user = await db.Accounts.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound("user", id);
        return await signIn.ChangePasswordAsync(user, request, cancellationToken);
    }

    /// <summary>Changes the role and ends every session, so that the old role ends at the latest when its access tokens expire.</summary>
    public Task<UserResponse> ChangeRoleAsync(Guid id, string role, Preconditions preconditions, CancellationToken cancellationToken) =>
        db.InTransactionAsync(async token =>
        {
            var user = await FindAsync(id, preconditions, token);
            if (!string.Equals(user.Role, role, StringComparison.Ordinal))
            {
                await RequireNotLastAdminAsync(user, token);
                user.Grant(role);
                await db.SaveChangesAsync(token);
                await signIn.EndAllAsync(id, token);
            }

            return UserResponse.Of(user);
        }, cancellationToken);

    public Task DeleteAsync(Guid id, Preconditions preconditions, CancellationToken cancellationToken) =>
        events.CommitAsync(async (happened, token) =>
        {
            var user = await FindAsync(id, preconditions, token);
            await RequireNotLastAdminAsync(user, token);
            db.Remove(user);
            happened.Add(new UserDeleted(id));
            return await db.SaveChangesAsync(token);
        }, cancellationToken);

    /// <summary>
    /// Keeps one admin, because only an admin can grant roles. The lock serializes admins who leave at the same time.
    /// </summary>
    private async Task RequireNotLastAdminAsync(User user, CancellationToken cancellationToken)
    {
        if (string.Equals(user.Role, Roles.Admin, StringComparison.Ordinal)
            && await db.Database.SqlQuery<Guid>($"SELECT id FROM users WHERE role = 'admin' ORDER BY id FOR UPDATE")
                .ToListAsync(cancellationToken) is [_])
        {
            throw ProblemException.Conflict("This is the last admin; make another account admin first.");
        }
    }

    private async Task<User> FindAsync(Guid id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var user = await db.Accounts.SingleOrDefaultAsync(u => u.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound("user", id);
        preconditions.Require(user.Version);
        return user;
    }

    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException failure) when (failure.Violates(UsersDbContext.UsernameIndex))
        {
            throw ProblemException.Conflict("There is an account with this username.", "username");
        }
        catch (DbUpdateException failure) when (failure.Violates(UsersDbContext.EmailIndex))
        {
            throw ProblemException.Conflict("There is an account with this e-mail address.", "email");
        }
    }
}
