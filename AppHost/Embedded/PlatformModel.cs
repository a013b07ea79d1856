namespace MicroPlatform.AppHost;

/// <summary>What <c>AppHost.cs</c> says to Aspire, said to the embedded engine.</summary>
internal static class PlatformModel
{
    /// <summary>In an order in which every service comes after those it refers to.</summary>
    public static IReadOnlyList<Service> Services { get; } =
    [
        new("customers", Databases: ["customersdb", "busdb"]),
        new("users", Databases: ["usersdb", "busdb"]),
        new("warehouse", Databases: ["warehousedb", "busdb"], References: ["users"]),
        new("accounting", Databases: ["accountingdb", "busdb"], References: ["users"]),
        new("sales", Databases: ["salesdb", "busdb"], References: ["customers", "users", "warehouse"]),
        new("cart", Databases: ["cartdb", "busdb"], References: ["customers", "sales"]),
        new("todo", Databases: ["tododb", "busdb"], References: ["users"]),
        new("gateway", References: ["customers", "users", "warehouse", "accounting", "sales", "cart", "todo"]) { IsPublic = true },
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
