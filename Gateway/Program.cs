using MicroPlatform.Gateway;
using MicroPlatform.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddTokenAuthentication(Issuers.Customers, Issuers.Users);
builder.AddProxy();

var app = builder.Build();
if (app.MissingEndpoint() is { } missing)
{
    await Console.Error.WriteLineAsync(missing);
    return 1;
}

app.UseServiceDefaults();
app.MapProxy();
return await app.RunServiceAsync(args);
