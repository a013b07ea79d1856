using System.Security.Cryptography;
using MicroPlatform.ServiceDefaults;
using Scalar.AspNetCore;

namespace MicroPlatform.Gateway;

/// <summary>The API reference of all services on one page. The Gateway serves all its files itself.</summary>
internal static class ApiReference
{
    private const string OwnDocument = "gateway";

    // Each link has its own query, so that the browser reloads the page: a changed fragment alone does not change the document.
    private const string Header = """
        <style>
          :root { --scalar-custom-header-height: 48px }
          nav.platform { position: sticky; top: 0; z-index: 20;
            box-sizing: border-box; height: 48px; display: flex; gap: 1.5rem; align-items: center;
            overflow: auto hidden; white-space: nowrap; padding: 0 1.25rem; font: .9rem system-ui, sans-serif;
            color: var(--scalar-color-1); background: var(--scalar-background-1); border-bottom: 1px solid var(--scalar-border-color) }
          nav.platform a, nav.platform button { color: inherit; font: inherit; text-underline-offset: .18em }
          nav.platform a:first-child { font-weight: 650; text-decoration: none }
          nav.platform button { padding: 0; border: 0; background: none; text-decoration: underline; cursor: pointer }
          nav.platform button[hidden] { display: none }
          .ways { display: flex; gap: .75rem }
          #session { margin-left: auto; color: var(--scalar-color-2) }
          @media (max-width: 48rem) {
            :root { --scalar-custom-header-height: 0px }
            nav.platform { position: static; height: auto; flex-wrap: wrap; gap: .35rem 1rem; padding: .6rem 1.25rem;
              font-size: .85rem; white-space: normal }
            #session { margin-left: 0; overflow-wrap: anywhere }
          }
          /* The reference's own greys and colours are too pale to read for some; twice the class, to come before its theme. */
          .light-mode.light-mode { --scalar-color-3: #5a6372; --scalar-color-accent: #1f45c4;
            --scalar-color-green: #0a6b3d; --scalar-color-red: #b3231b;
            --scalar-color-orange: #8a5200; --scalar-color-yellow: #7a5a00; --scalar-color-blue: #1f45c4; --scalar-color-purple: #6b2fb3 }
          .dark-mode.dark-mode { --scalar-color-3: #a9b0bd; --scalar-color-accent: #9cb4ff;
            --scalar-color-green: #6fdca0; --scalar-color-red: #ff9189;
            --scalar-color-orange: #f2bd62; --scalar-color-yellow: #f2d062; --scalar-color-blue: #9cb4ff; --scalar-color-purple: #cda6ff }
        </style>
        <nav class="platform" aria-label="MicroPlatform">
          <a href="/">MicroPlatform</a>
          <span class="ways">
            <span>Sign in:</span>
            <a href="/scalar/?as=customer#customers/tag/authentication/POST/api/v1/auth/login"
              aria-label="Sign in as a customer">customer</a>
            <a href="/scalar/?as=user#users/tag/users/POST/api/v1/users/login" aria-label="Sign in as a user or staff">user or staff</a>
          </span>
          <a href="/protos/">gRPC</a>
          <span id="session" role="status"></span>
          <button id="sign-out" type="button" hidden>Sign out</button>
        </nav>
        """;

    /// <summary>The documents of the services, and the Gateway's own.</summary>
    public static IEnumerable<string> Documents => Routes.Services.Append(OwnDocument);

    public static void AddApiReference(this WebApplicationBuilder builder) =>
        builder.Services.AddOpenApi(OwnDocument, OpenApi.With(Examples.All));

    public static void MapApiReference(this WebApplication app)
    {
        app.MapOpenApi($"/openapi/{{documentName:regex(^{OwnDocument}$)}}.json").AnswerHead().AllowAnonymous();
        app.MapScalarApiReference("/scalar", (options, context) =>
        {
            // The page creates styles at run time. Its scripts come only from the Gateway, and it calls only the Gateway.
            var nonce = RandomNumberGenerator.GetHexString(32, lowercase: true);
            context.Response.Headers.ContentSecurityPolicy =
                $"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
                    + "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
            options.WithTitle("MicroPlatform API").WithNonce(nonce).WithFavicon("/pages/icon.svg")
                .AddHeadContent("<link rel=\"icon\" href=\"/pages/icon.svg\">").AddHeaderContent(Header)
                .WithJavaScriptConfiguration("/pages/scalar.js");
            foreach (var document in Documents)
            {
                options.AddDocument(document, char.ToUpperInvariant(document[0]) + document[1..], $"/openapi/{document}.json");
            }

            options.DisableAgent().DisableMcp().DisableTelemetry().DisableDefaultFonts().HideDeveloperTools().HideClientButton()
                .AddPreferredSecuritySchemes("Bearer");
        }).AnswerHead().AllowAnonymous();
    }
}
