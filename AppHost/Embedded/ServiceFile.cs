using System.Globalization;
using System.Text;
using Npgsql;

namespace MicroPlatform.AppHost;

/// <summary>Lets PostgreSQL's own programs find the databases of a run: <c>PGSERVICEFILE=.data/pg_service.conf PGSERVICE=salesdb psql</c>.</summary>
internal static class ServiceFile
{
    public const string FileName = "pg_service.conf";

    public static void Write(string folder, IEnumerable<(string Name, string ConnectionString)> databases)
    {
        var text = new StringBuilder();
        foreach (var (name, connectionString) in databases)
        {
            var server = new NpgsqlConnectionStringBuilder(connectionString);
            text.Append(CultureInfo.InvariantCulture, $"[{name}]\nhost={server.Host}\nport={server.Port}\nuser={server.Username}\npassword={server.Password}\ndbname={server.Database}\n");
        }

        PrivateFile.Write(Path.Combine(folder, FileName), text.ToString());
    }
}
