using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Warehouse;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddInternalGrpc();
builder.AddPostgresContext<WarehouseDbContext>("warehousedb", WarehouseDbContext.SeedAsync);
builder.AddMessaging<WarehouseDbContext>("warehousedb", services => services
    .AddEventHandler<OrderPlaced, OrderPlacedHandler>()
    .AddEventHandler<OrderConfirmed, OrderConfirmedHandler>()
    .AddEventHandler<OrderCancelled, OrderCancelledHandler>());
builder.AddTokenAuthentication(Issuers.Users);
builder.Services.AddValidation();
builder.Services.AddOpenApi("warehouse", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapItemsApi();
app.MapStockAdjustmentsApi();
app.MapInternalGrpc<InventoryGrpcService>();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
