namespace MicroPlatform.AppHost;

/// <summary>
/// A startup error that a person can fix. The message says what is wrong and what to do; no stack trace accompanies it.
/// </summary>
internal sealed class StartupException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    private const int WrongSettings = 78; // EX_CONFIG of sysexits.h, as the services use it

    /// <summary>Turns a <see cref="StartupException"/> that nobody catches into one line on standard error and exit code 78.</summary>
    public static void ReportInOneLine() => AppDomain.CurrentDomain.UnhandledException += (_, unhandled) =>
    {
        if (unhandled.ExceptionObject is StartupException refusal)
        {
            Console.Error.WriteLine(refusal.Message);
            Environment.Exit(WrongSettings);
        }
    };
}
