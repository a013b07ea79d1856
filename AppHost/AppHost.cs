using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Deployment;
using MicroPlatform.AppHost.Postgres;

StartupException.ReportInOneLine();
var builder = DistributedApplication.CreateBuilder(args);
var settings = PlatformSettings.From(builder, args);
if (builder.ExecutionContext.IsPublishMode)
{
    builder.RequireManifest();
}

var folder = builder.ExecutionContext.IsRunMode ? DataFolder.Open(settings, Path.Combine(builder.AppHostDirectory, "..", ".data")) : null;

// A server for all, a database and a login for each. Events between services travel through a database of their own.
IPlatformDatabases postgres = folder is null ? AzurePostgres.Add(builder, "postgres") : await PostgresServer.AddAsync(builder, "postgres", settings, folder);
var bus = postgres.AddDatabase("busdb");

// What services prove to each other that they belong together with, and what encrypts the authorities' signing keys in their databases
var internalCallKey = builder.AddGeneratedSecret("internal-call-key", folder);
var accountKeySecret = builder.AddGeneratedSecret("account-key-secret", folder);

// The two authorities: Customers for those who buy, Users for those who keep to-dos and run the business
var customers = AddService<Projects.Customers>("customers", "Customers", "PersonAccounts").WithEnvironment("Accounts__KeySecret", accountKeySecret);
var users = AddService<Projects.Users>("users", "Users", "PeopleTeam").WithEnvironment("Accounts__KeySecret", accountKeySecret);

// The back office
var warehouse = AddService<Projects.Warehouse>("warehouse", "Warehouse", "BuildingFactory").WithReference(users);
var accounting = AddService<Projects.Accounting>("accounting", "Accounting", "Calculator").WithReference(users);
var sales = AddService<Projects.Sales>("sales", "Sales", "Receipt").WithReference(users).WithReference(customers).WithReference(warehouse);

// The shop and the to-do application
var cart = AddService<Projects.Cart>("cart", "Cart", "Cart").WithReference(customers).WithReference(sales);
var todo = AddService<Projects.Todo>("todo", "Todo", "TaskListSquare").WithReference(users);

// The only public entrance
builder.AddProject<Projects.Gateway>("gateway", options => options.ExcludeLaunchProfile = true)
    .WithReference(customers).WithReference(cart)
    .WithReference(users).WithReference(todo)
    .WithReference(warehouse).WithReference(accounting).WithReference(sales)
    .WithEnvironment("InternalCalls__Key", internalCallKey)
    .AsPublicEntrance(settings, folder)
    .WithIconName("DoorArrowRight");

if (postgres is PostgresServer server)
{
    builder.AddOperations(server, folder!);
}

await builder.Build().RunAsync();

// Services wait for their databases and not for each other: each bears the absence of those it calls.
IResourceBuilder<ProjectResource> AddService<TProject>(string name, string displayName, string icon)
    where TProject : IProjectMetadata, new()
{
    var database = postgres.AddDatabase($"{name}db");
    return builder.AddProject<TProject>(name, options => options.ExcludeLaunchProfile = true)
        .WithReference(database).WaitFor(database)
        .WithReference(bus).WaitFor(bus)
        .WithEnvironment("InternalCalls__Key", internalCallKey)
        .AsInnerService(settings)
        .WithIconName(icon);
}
