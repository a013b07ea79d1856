using MicroPlatform.Accounting;
using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgresContext<AccountingDbContext>("accountingdb", AccountingDbContext.SeedAsync);
builder.AddMessaging<AccountingDbContext>("accountingdb", services => services
    .AddEventHandler<OrderConfirmed, OrderConfirmedHandler>()
    .AddEventHandler<OrderCancelled, OrderCancelledHandler>());
builder.Services.AddSingleton<AccountingTelemetry>();
builder.AddTokenAuthentication(Issuers.Users);
builder.Services.AddValidation();
builder.Services.AddOpenApi("accounting", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapTransactionsApi();
app.MapSummaryApi();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
