namespace MicroPlatform.AppHost;

/// <summary>What <c>AppHost.cs</c> says to Aspire, said to the embedded engine.</summary>
internal static class PlatformModel
{
    /// <summary>In an order in which every service comes after those it refers to.</summary>
    public static IReadOnlyList<Service> Services { get; } =
    [
        new("customers", Databases: ["customersdb", "busdb"]),
        new("cart", Databases: ["cartdb", "busdb"], References: ["customers"]),
        new("gateway", References: ["customers", "cart"]) { IsPublic = true },
    ];
}

/// <summary>One service: its endpoints are those of <c>Kestrel:Endpoints</c> in its settings, which Aspire reads too.</summary>
internal sealed record Service(string Name, string[]? Databases = null, string[]? References = null)
{
    public string[] Databases { get; } = Databases ?? [];

    public string[] References { get; } = References ?? [];

    /// <summary>Whether people reach it: at a name and ports that do not change, with a certificate.</summary>
    public bool IsPublic { get; init; }

    public string Project => char.ToUpperInvariant(Name[0]) + Name[1..];
}
