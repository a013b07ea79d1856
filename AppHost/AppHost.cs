using Microsoft.Extensions.Configuration;

var builder = DistributedApplication.CreateBuilder(args);

// Demo data is for the developer's machine and the tests, never for what is deployed.
var seedDemoData = builder.ExecutionContext.IsRunMode ? "true" : "false";

// The dashboard is where this program itself listens; the first page links to it.
var dashboard = builder.ExecutionContext.IsRunMode ? builder.Configuration["ASPNETCORE_URLS"]?.Split(';')[0] : null;

var postgres = builder.AddPostgres("postgres");
if (builder.Configuration.GetValue("UseVolumes", defaultValue: true))
{
    postgres.WithDataVolume(); // tests pass UseVolumes=false: a volume would be shared with the developer's own run
}

// Events between services travel through a database of their own.
var busDb = postgres.AddDatabase("busdb");

// The two authorities: those who buy, and those who keep to-dos and run the business
var customersDb = postgres.AddDatabase("customersdb");
var customers = builder.AddProject<Projects.Customers>("customers")
    .WithReference(customersDb).WaitFor(customersDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

var usersDb = postgres.AddDatabase("usersdb");
var users = builder.AddProject<Projects.Users>("users")
    .WithReference(usersDb).WaitFor(usersDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

// The back office
var warehouseDb = postgres.AddDatabase("warehousedb");
var warehouse = builder.AddProject<Projects.Warehouse>("warehouse")
    .WithReference(warehouseDb).WaitFor(warehouseDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(users).WaitFor(users)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

var accountingDb = postgres.AddDatabase("accountingdb");
var accounting = builder.AddProject<Projects.Accounting>("accounting")
    .WithReference(accountingDb).WaitFor(accountingDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(users).WaitFor(users)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

var salesDb = postgres.AddDatabase("salesdb");
var sales = builder.AddProject<Projects.Sales>("sales")
    .WithReference(salesDb).WaitFor(salesDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(customers).WaitFor(customers)
    .WithReference(users).WaitFor(users)
    .WithReference(warehouse).WaitFor(warehouse)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

// The shop
var cartDb = postgres.AddDatabase("cartdb");
var cart = builder.AddProject<Projects.Cart>("cart")
    .WithReference(cartDb).WaitFor(cartDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(customers).WaitFor(customers)
    .WithReference(sales).WaitFor(sales)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

// The to-do application
var todoDb = postgres.AddDatabase("tododb");
var todo = builder.AddProject<Projects.Todo>("todo")
    .WithReference(todoDb).WaitFor(todoDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(users).WaitFor(users)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

// The only public entrance
builder.AddProject<Projects.Gateway>("gateway")
    .WithReference(customers).WaitFor(customers)
    .WithReference(users).WaitFor(users)
    .WithReference(warehouse).WaitFor(warehouse)
    .WithReference(accounting).WaitFor(accounting)
    .WithReference(sales).WaitFor(sales)
    .WithReference(cart).WaitFor(cart)
    .WithReference(todo).WaitFor(todo)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithEnvironment("Dashboard__Url", dashboard ?? "")
    .WithExternalHttpEndpoints()
    .WithUrlForEndpoint("https", url => url.DisplayText = "Home")
    .WithUrlForEndpoint("https", _ => new() { Url = "/scalar", DisplayText = "API reference" })
    .WithUrlForEndpoint("http", url => url.DisplayText = "Home (no TLS)")
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

await builder.Build().RunAsync();
