using MicroPlatform.ServiceDefaults;
using Scalar.AspNetCore;

namespace MicroPlatform.Gateway;

/// <summary>The documents of every service on one page, served from here to the last byte.</summary>
internal static class ApiReference
{
    public const string OwnDocument = "gateway";

    public static void AddApiReference(this WebApplicationBuilder builder) => builder.Services.AddOpenApi(OwnDocument, OpenApi.Configure);

    public static void MapApiReference(this WebApplication app)
    {
        app.MapOpenApi($"/openapi/{{documentName:regex(^{OwnDocument}$)}}.json").AllowAnonymous();
        app.MapScalarApiReference("/scalar", options =>
        {
            foreach (var document in Routes.Services.Append(OwnDocument))
            {
                options.AddDocument(document, char.ToUpperInvariant(document[0]) + document[1..], $"/openapi/{document}.json");
            }

            options.WithTitle("MicroPlatform API").WithNonce();
            options.DisableAgent().DisableMcp().DisableTelemetry().DisableDefaultFonts().HideDeveloperTools().AddPreferredSecuritySchemes("Bearer");
        }).AllowAnonymous();
    }
}
