using System.Net;
using System.Security.Cryptography;
using MicroPlatform.Tests.Fixtures;
using Npgsql;

namespace MicroPlatform.Tests.Customers;

/// <summary>Nobody can use the signing keys with the database alone.</summary>
[Trait("Speed", "slow")]
public sealed class KeySecretTests(TestPlatform platform) : IClassFixture<TestPlatform>
{
    private const string NewSecret = "another-secret-of-the-tests-and-of-nobody";

    [Fact]
    public async Task A_stored_key_can_be_decrypted_only_with_the_secret()
    {
        await platform.RegisterAsync();
        var stored = await StoredAsync();
        Assert.True(Opens(stored, TestPlatform.KeySecret));
        Assert.False(Opens(stored, NewSecret));
        Assert.False(IsPlain(stored));
    }

    [Fact]
    public async Task An_unencrypted_key_is_encrypted_at_startup_and_its_tokens_stay_valid()
    {
        var account = await platform.RegisterAsync();
        using (var key = RSA.Create())
        {
            var stored = await StoredAsync();
            key.ImportEncryptedPkcs8PrivateKey(TestPlatform.KeySecret, stored, out _);
            await StoreAsync(key.ExportPkcs8PrivateKey());
        }

        await RestartAsync(TestPlatform.KeySecret, previous: "");

        await AssertGoodAsync(account);
        Assert.False(IsPlain(await StoredAsync()));
        Assert.True(Opens(await StoredAsync(), TestPlatform.KeySecret));
    }

    [Fact]
    public async Task The_secret_can_be_changed_by_giving_the_previous_one_during_one_start()
    {
        var account = await platform.RegisterAsync();

        await RestartAsync(NewSecret, previous: TestPlatform.KeySecret);
        await AssertGoodAsync(account);
        Assert.True(Opens(await StoredAsync(), NewSecret));
        Assert.False(Opens(await StoredAsync(), TestPlatform.KeySecret));

        await RestartAsync(NewSecret, previous: "");
        await AssertGoodAsync(account);

        await RestartAsync(TestPlatform.KeySecret, previous: NewSecret);
        await AssertGoodAsync(account);
    }

    [Fact]
    public async Task A_replica_with_the_old_secret_keeps_using_the_keys_it_has_already_decrypted()
    {
        var account = await platform.RegisterAsync();
        var stored = await StoredAsync();
        using var key = RSA.Create();
        key.ImportEncryptedPkcs8PrivateKey(TestPlatform.KeySecret, stored, out _);
        // Encrypts the key as a replica with the new secret does.
        await StoreAsync(key.ExportEncryptedPkcs8PrivateKey(NewSecret,
            new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
        try
        {
            platform.Clock.Advance(TimeSpan.FromSeconds(61));
            await AssertGoodAsync(account);
            await AssertGoodAsync(await platform.RegisterAsync());
        }
        finally
        {
            await StoreAsync(stored);
        }
    }

    private static bool Opens(byte[] stored, string secret)
    {
        try
        {
            using var key = RSA.Create();
            key.ImportEncryptedPkcs8PrivateKey(secret, stored, out _);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static bool IsPlain(byte[] stored)
    {
        try
        {
            using var key = RSA.Create();
            key.ImportPkcs8PrivateKey(stored, out _);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private async Task RestartAsync(string secret, string previous)
    {
        await platform.StopAsync("customers");
        (platform.Settings["Accounts:KeySecret"], platform.Settings["Accounts:PreviousKeySecret"]) = (secret, previous);
        platform.Restart("customers");
    }

    private async Task AssertGoodAsync(Account account)
    {
        using var http = platform.Http("customers");
        Assert.Equal(HttpStatusCode.OK, await http.SendAsync("GET", Accounts.Me, token: account.AccessToken).StatusAsync());
    }

    private async Task<byte[]> StoredAsync() => (await platform.QueryAsync<byte[]>("customersdb", "SELECT private_key FROM signing_keys"))!;

    private async Task StoreAsync(byte[] privateKey)
    {
        await using var db = await platform.Db("customersdb");
        await using var command = new NpgsqlCommand("UPDATE signing_keys SET private_key = $1", db);
        command.Parameters.Add(new() { Value = privateKey });
        Assert.Equal(1, await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
    }
}
