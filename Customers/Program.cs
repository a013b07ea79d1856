using MicroPlatform.Customers;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;
using MicroPlatform.ServiceDefaults.Messaging;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddInternalGrpc();
builder.AddPostgresContext<CustomersDbContext>("customersdb", CustomersDbContext.SeedAsync);
builder.AddAccounts<CustomersDbContext, Customer, long>(Issuers.Customers);
builder.AddMessaging<CustomersDbContext>("customersdb");
builder.Services.AddValidation();
builder.Services.AddOpenApi("customers", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapAuthApi();
app.MapCustomersApi();
app.MapKeySet<CustomersDbContext>();
app.MapInternalGrpc<TokenValidationGrpcService>();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
