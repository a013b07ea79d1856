using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Todo;
using MicroPlatform.Users.Events;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddGrpcDefaults();
builder.AddPostgresContext<TodoDbContext>("tododb", TodoDbContext.SeedAsync);
builder.AddTokenAuthentication(Issuers.Users);
builder.AddMessaging<TodoDbContext>("tododb", services => services.AddEventHandler<UserDeleted, UserDeletedHandler>());
builder.Services.AddScoped<UserTodos>();
builder.Services.AddValidation();
builder.Services.AddOpenApi("todo", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapTodosApi();
app.MapGrpc<TodosGrpcService>().RequireAuthorization(Policies.User);
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
