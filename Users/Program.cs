using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Users;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddGrpcDefaults();
builder.AddPostgresContext<UsersDbContext>("usersdb", UsersDbContext.SeedAsync);
builder.AddAccounts<UsersDbContext, User, Guid>(Issuers.Users);
builder.AddMessaging<UsersDbContext>("usersdb");
builder.Services.AddScoped<UserAccounts>();
builder.Services.AddValidation();
builder.Services.AddOpenApi("users", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapUsersApi();
app.MapKeySet<UsersDbContext>();
app.MapGrpc<UsersGrpcService>().RequireAuthorization(Policies.User);
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
