using System.Diagnostics;
using MicroPlatform.Tests.Contract;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Deploy;

/// <summary>
/// The script that creates databases and logins on every target, run as an administrator who is not a superuser, as in Azure.
/// </summary>
[Trait("Speed", "slow")]
public sealed class LoginsTests(Cluster cluster)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_login_opens_only_its_own_database_and_a_second_run_sets_changed_passwords()
    {
        var administrator = await CreateAdministratorAsync();
        foreach (var password in new[] { "first", "sec'ond" })
        {
            var (exitCode, output, error) = await RunAsync(
                administrator,
                Manifest.Committed.Databases.ToDictionary(name => $"{name}_password", name => name + password, StringComparer.Ordinal));
            Assert.True(exitCode is 0, error);
            Assert.Equal(Manifest.Committed.Databases.Select(name => $"{name} is there"), output.Split('\n'));
        }

        foreach (var name in Manifest.Committed.Databases)
        {
            await using var connection = await OpenAsync(name, name, name + "sec'ond");
            await using var create = new NpgsqlCommand(
                "CREATE TABLE owned (name text); CREATE INDEX ON owned USING gin (name gin_trgm_ops)", connection);
            await create.ExecuteNonQueryAsync(Cancel);
        }

        Assert.Equal(
            PostgresErrorCodes.InsufficientPrivilege,
            (await Assert.ThrowsAsync<PostgresException>(() => OpenAsync("busdb", "cartdb", "cartdbsec'ond"))).SqlState);
    }

    [Fact]
    public async Task A_missing_password_stops_the_script_and_is_named()
    {
        var administrator = await CreateAdministratorAsync();

        var (exitCode, _, error) = await RunAsync(administrator, new(StringComparer.Ordinal));

        Assert.NotEqual(0, exitCode);
        Assert.Contains("/run/secrets/accountingdb-password", error, StringComparison.Ordinal);
    }

    private async Task<string> CreateAdministratorAsync()
    {
        var name = $"administrator_{Guid.NewGuid():N}";
        await using var connection = new NpgsqlConnection(cluster.ConnectionStringTo("postgres"));
        await connection.OpenAsync(Cancel);
        await using var create = new NpgsqlCommand(
            $"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD 'administrator'; GRANT CONNECT ON DATABASE postgres TO {name}",
            connection);
        await create.ExecuteNonQueryAsync(Cancel);
        return name;
    }

    private async Task<NpgsqlConnection> OpenAsync(string database, string login, string password)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(cluster.ConnectionStringTo(database))
        {
            Username = login,
            Password = password,
            Pooling = false,
        }.ConnectionString);
        await connection.OpenAsync(Cancel);
        return connection;
    }

    private Task<(int ExitCode, string Output, string Error)> RunAsync(string administrator, Dictionary<string, string> passwords)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The script is for a shell.");
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator)
                .Any(folder => File.Exists(Path.Combine(folder, "psql"))), "psql is not on the PATH of this machine.");
        var server = new NpgsqlConnectionStringBuilder(cluster.ConnectionStringTo("postgres"));
        var start = new ProcessStartInfo("sh", [Path.Combine(Repository.Root, "AppHost", "infra", "logins.sh")]);
        (start.Environment["PGHOST"], start.Environment["PGPORT"]) = (server.Host, $"{server.Port}");
        (start.Environment["PGUSER"], start.Environment["PGPASSWORD"]) = (administrator, "administrator");
        foreach (var (key, value) in passwords)
        {
            start.Environment[key] = value;
        }

        return Programs.RunAsync(start);
    }
}
