using System.ComponentModel;

namespace MicroPlatform.AppHost.Postgres;

/// <summary>Docker or Podman.</summary>
internal static class ContainerEngine
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>Whether an engine answers; one that is installed but not running does not.</summary>
    public static async Task<bool> IsRunningAsync(string? runtime)
    {
        foreach (var program in runtime is { Length: > 0 } ? [runtime] : (string[])["docker", "podman"])
        {
            using var timeout = new CancellationTokenSource(Timeout);
            try
            {
                // "version" asks the engine, "--version" only its client.
                if ((await ServerAccount.TryRunAsync(program, ["version"], asAccount: false, ct: timeout.Token)).ExitCode == 0)
                {
                    return true;
                }
            }
            catch (Exception silent) when (silent is Win32Exception or OperationCanceledException)
            {
                // The program is not installed, or its engine does not answer.
            }
        }

        return false;
    }
}
