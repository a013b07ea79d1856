using MicroPlatform.Cart;
using MicroPlatform.Customers.Events;
using MicroPlatform.Sales.Events;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Messaging;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgresContext<CartDbContext>("cartdb", CartDbContext.SeedAsync);
builder.AddCustomerAuthentication();
builder.AddMessaging<CartDbContext>("cartdb", services => services
    .AddEventHandler<CustomerDeleted, CustomerDeletedHandler>()
    .AddEventHandler<OrderConfirmed, OrderHandlers>()
    .AddEventHandler<OrderRejected, OrderHandlers>()
    .AddEventHandler<OrderCancelled, OrderHandlers>());
builder.AddCheckouts();
builder.Services.AddValidation();
builder.Services.AddOpenApi("cart", OpenApi.With(Examples.All));

var app = builder.Build();
app.UseServiceDefaults();
app.MapProductsApi();
app.MapCartsApi();
app.MapCheckoutApi();
app.MapOpenApi().AnswerHead().AllowAnonymous();
return await app.RunServiceAsync(args);
