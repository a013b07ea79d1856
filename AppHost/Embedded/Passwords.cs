using System.Security.Cryptography;
using System.Text.Json;

namespace MicroPlatform.AppHost;

/// <summary>The generated passwords of a run's database logins, in a file that only we can read.</summary>
internal sealed class Passwords
{
    public const string FileName = "passwords.json";

    // Letters and digits only: safe in a connection string and in a URL.
    private const string Alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    private readonly string _file;
    private readonly Dictionary<string, string> _byLogin;

    public Passwords(RunFolder run)
    {
        _file = Path.Combine(run.Path, FileName);
        _byLogin = File.Exists(_file) ? JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(_file))! : [];
    }

    public bool Knows(string login) => _byLogin.ContainsKey(login);

    /// <summary>The password of a login, made and kept at the first call.</summary>
    public string For(string login)
    {
        if (!_byLogin.TryGetValue(login, out var password))
        {
            password = _byLogin[login] = RandomNumberGenerator.GetString(Alphabet, 32);
            PrivateFile.Write(_file, JsonSerializer.Serialize(_byLogin));
        }

        return password;
    }
}
