using MicroPlatform.AppHost;
using MicroPlatform.AppHost.Deployment;
using MicroPlatform.AppHost.Postgres;

StartupException.ReportInOneLine();
var builder = DistributedApplication.CreateBuilder(args);
var settings = PlatformSettings.From(builder, args);
builder.RequireManifest();
var folder = builder.ExecutionContext.IsRunMode ? DataFolder.Open(settings, Path.Combine(builder.AppHostDirectory, "..", ".data")) : null;

// A server for all, a database and a login for each. Events between services travel through a database of their own.
IPlatformDatabases postgres = folder is null
    ? AzurePostgres.Add(builder, "postgres")
    : await PostgresServer.AddAsync(builder, "postgres", settings, folder);
var bus = postgres.AddDatabase("busdb");

// Services prove to each other with the first that they belong together. The second encrypts the keys that sign tokens, in the databases.
var callKey = builder.AddGeneratedSecret("internal-call-key", folder);
var keySecret = builder.AddGeneratedSecret("account-key-secret", folder);

// The two authorities: Customers for those who buy, Users for those who keep to-dos and run the business
var customers = AddService<Projects.Customers>("customers", "PersonAccounts")
    .WithEnvironment("Accounts__KeySecret", keySecret).WithEnvironment("InternalCalls__Key", callKey);
var users = AddService<Projects.Users>("users", "PeopleTeam").WithEnvironment("Accounts__KeySecret", keySecret);

// The back office
var warehouse = AddService<Projects.Warehouse>("warehouse", "BuildingFactory").WithReference(users)
    .WithEnvironment("InternalCalls__Key", callKey);
var accounting = AddService<Projects.Accounting>("accounting", "Calculator").WithReference(users);
var sales = AddService<Projects.Sales>("sales", "Receipt").WithReference(users).WithReference(customers).WithReference(warehouse)
    .WithEnvironment("InternalCalls__Key", callKey);

// The shop and the to-do application
var cart = AddService<Projects.Cart>("cart", "Cart").WithReference(customers).WithReference(sales)
    .WithEnvironment("InternalCalls__Key", callKey);
var todo = AddService<Projects.Todo>("todo", "TaskListSquare").WithReference(users);

// The only public entrance
builder.AddProject<Projects.Gateway>("gateway", options => options.ExcludeLaunchProfile = true)
    .WithReference(customers).WithReference(cart)
    .WithReference(users).WithReference(todo)
    .WithReference(warehouse).WithReference(accounting).WithReference(sales)
    .WithEnvironment("InternalCalls__Key", callKey)
    .AsPublicEntrance(settings, folder)
    .WithIconName("DoorArrowRight");

if (postgres is PostgresServer server)
{
    builder.AddOperations(server, folder!);
}

await builder.Build().RunAsync();

// Services wait for their databases and not for each other: each bears the absence of those it calls.
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
