using MicroPlatform.Customers.V1;
using MicroPlatform.Sales;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse.V1;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddGrpcDefaults();
builder.AddPostgresContext<SalesDbContext>("salesdb", SalesDbContext.SeedAsync);
builder.AddMessaging<SalesDbContext>("salesdb", services => services
    .AddEventHandler<StockReserved, StockReservedHandler>()
    .AddEventHandler<StockRejected, StockRejectedHandler>());
builder.AddDeadLetters<SalesDbContext>();
builder.AddTokenAuthentication(Issuers.Users, Issuers.Customers);
builder.AddServiceClient<TokenValidation.TokenValidationClient>("customers", "customers.v1.TokenValidation/GetCustomer");
builder.AddServiceClient<Inventory.InventoryClient>("warehouse", "warehouse.v1.Inventory/BatchGetItems");
builder.Services.AddSingleton<SalesTelemetry>();
builder.Services.AddOrderPolicies();
builder.Services.AddValidation();
builder.Services.AddOpenApi("sales", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapOrdersApi();
app.MapSoldItemsApi();
app.MapSummaryApi();
app.MapDeadLettersApi();
app.MapGrpc<OrdersGrpcService>();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
