using Microsoft.Extensions.Configuration;

var builder = DistributedApplication.CreateBuilder(args);

// Demo data is for the developer's machine and the tests, never for what is deployed.
var seedDemoData = builder.ExecutionContext.IsRunMode ? "true" : "false";

var postgres = builder.AddPostgres("postgres");
if (builder.Configuration.GetValue("UseVolumes", defaultValue: true))
{
    postgres.WithDataVolume(); // tests pass UseVolumes=false: a volume would be shared with the developer's own run
}

// The messages between services travel through a database of their own, which every service that sends or handles them references.
var busDb = postgres.AddDatabase("busdb");

// The shop
var customersDb = postgres.AddDatabase("customersdb");
var customers = builder.AddProject<Projects.Customers>("customers")
    .WithReference(customersDb).WaitFor(customersDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

var cartDb = postgres.AddDatabase("cartdb");
var cart = builder.AddProject<Projects.Cart>("cart")
    .WithReference(cartDb).WaitFor(cartDb)
    .WithReference(busDb).WaitFor(busDb)
    .WithReference(customers).WaitFor(customers)
    .WithEnvironment("SeedDemoData", seedDemoData)
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

// The only public entrance
builder.AddProject<Projects.Gateway>("gateway")
    .WithReference(customers).WaitFor(customers)
    .WithReference(cart).WaitFor(cart)
    .WithExternalHttpEndpoints()
    .WithUrlForEndpoint("https", url => url.DisplayText = "Home")
    .WithUrlForEndpoint("https", _ => new() { Url = "/scalar", DisplayText = "API reference" })
    .WithUrlForEndpoint("http", url => url.DisplayText = "Home (no TLS)")
    .WithHttpHealthCheck("/health/ready", endpointName: "http");

await builder.Build().RunAsync();
