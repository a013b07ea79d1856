using MicroPlatform.Cart.Events;
using MicroPlatform.Sales;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse.Events;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgresContext<SalesDbContext>("salesdb", SalesDbContext.SeedAsync);
builder.AddMessaging<SalesDbContext>("salesdb", services => services
    .AddEventHandler<CheckoutGivenUp, CheckoutGivenUpHandler>()
    .AddEventHandler<StockReserved, StockReservedHandler>()
    .AddEventHandler<StockRejected, StockRejectedHandler>());
builder.AddTokenAuthentication(Issuers.Users, Issuers.Customers);
builder.AddOrders();
builder.Services.AddValidation();
builder.Services.AddOpenApi("sales", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapOrdersApi();
app.MapSoldItemsApi();
app.MapSummaryApi();
app.MapDeadLettersApi();
app.MapInternalGrpc<OrdersGrpcService>();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
