using MicroPlatform.Accounting;
using MicroPlatform.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgresContext<AccountingDbContext>("accountingdb", AccountingDbContext.SeedAsync);
builder.AddTokenAuthentication(Issuers.Users);
builder.Services.AddValidation();
builder.Services.AddOpenApi("accounting", OpenApi.Configure);

var app = builder.Build();
app.UseServiceDefaults();
app.MapTransactionsApi();
app.MapSummaryApi();
app.MapOpenApi().AllowAnonymous();
return await app.RunServiceAsync(args);
