using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Deployment;
using MicroPlatform.AppHost.Postgres;

StartupException.ReportInOneLine();
var builder = DistributedApplication.CreateBuilder(args);
var settings = PlatformSettings.From(builder, args);
builder.RequireManifest();
var folder = builder.ExecutionContext.IsRunMode ? DataFolder.Open(settings, Path.Combine(builder.AppHostDirectory, "..", ".data")) : null;

// All services share a server; each has its own database and login. Events between services go through a separate database.
IPlatformDatabases postgres = folder is null
    ? AzurePostgres.Add(builder, "postgres")
    : await PostgresServer.AddAsync(builder, "postgres", settings, folder);
var bus = postgres.AddDatabase("busdb");

// The two authorities: Customers for the shop's customers, Users for users of the to-do application and staff.
// The keys that sign their tokens are encrypted in their databases.
var keySecret = builder.AddGeneratedSecret("account-key-secret", folder);
var customers = AddService<Projects.Customers>("customers", "PersonAccounts").WithEnvironment("Accounts__KeySecret", keySecret);
var users = AddService<Projects.Users>("users", "PeopleTeam").WithEnvironment("Accounts__KeySecret", keySecret);

// The back office
var warehouse = AddService<Projects.Warehouse>("warehouse", "BuildingFactory").WithReference(users);
var accounting = AddService<Projects.Accounting>("accounting", "Calculator").WithReference(users);
var sales = AddService<Projects.Sales>("sales", "Receipt").WithReference(users).WithReference(customers).WithReference(warehouse);

// The shop and the to-do application
var cart = AddService<Projects.Cart>("cart", "Cart").WithReference(customers).WithReference(sales);
var todo = AddService<Projects.Todo>("todo", "TaskListSquare").WithReference(users);

// The only public entrance
var gateway = builder.AddProject<Projects.Gateway>("gateway", options => options.ExcludeLaunchProfile = true)
    .WithReference(customers).WithReference(cart)
    .WithReference(users).WithReference(todo)
    .WithReference(warehouse).WithReference(accounting).WithReference(sales)
    .AsPublicEntrance(settings, folder)
    .WithIconName("DoorArrowRight");

// Services that serve or call internal gRPC share a key.
var callKey = builder.AddGeneratedSecret("internal-call-key", folder);
foreach (var service in new[] { customers, warehouse, sales, cart, gateway })
{
    service.WithEnvironment("InternalCalls__Key", callKey);
}

if (postgres is PostgresServer server)
{
    builder.AddOperations(server);
}

await builder.Build().RunAsync();

// Services wait for their databases and not for each other: each tolerates that a service it calls is absent.
IResourceBuilder<ProjectResource> AddService<TProject>(string name, string icon)
    where TProject : IProjectMetadata, new()
{
    var database = postgres.AddDatabase($"{name}db");
    return builder.AddProject<TProject>(name, options => options.ExcludeLaunchProfile = true)
        .WithReference(database).WaitFor(database)
        .WithReference(bus).WaitFor(bus)
        .AsInnerService(settings)
        .WithIconName(icon);
}
