using MicroPlatform.Gateway;
using MicroPlatform.ServiceDefaults;

var builder = Settings.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddTokenAuthentication(Issuers.Customers, Issuers.Users);
builder.AddEdge();
builder.AddProxy();
builder.AddOverview();
builder.AddApiReference();

var app = builder.Build();
app.UseEdge();
app.UseServiceDefaults(Edge.UseLimits);
app.MapPages();
app.MapApiReference();
app.MapOverviewApi();
app.MapProxy();
return await app.RunServiceAsync(args);
