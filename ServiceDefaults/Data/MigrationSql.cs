using System.Reflection;
using Microsoft.EntityFrameworkCore.Migrations;

namespace MicroPlatform.ServiceDefaults;

/// <summary>SQL of a migration that is too long for C#, in a file beside it.</summary>
public static class MigrationSql
{
    /// <summary>Runs the file <c>Migrations/ID.PART.sql</c>, which is an embedded resource of the migration's assembly.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static void SqlFile(this MigrationBuilder builder, Migration migration, string part)
    {
        var (assembly, id) = (migration.GetType().Assembly, migration.GetType().GetCustomAttribute<MigrationAttribute>()!.Id);
        var name = $"{id}.{part}.sql";
        using var file = assembly.GetManifestResourceStream(name)
            ?? throw new FileNotFoundException("The migration has no such file.", name);
        using var reader = new StreamReader(file);
        builder.Sql(reader.ReadToEnd());
    }
}
