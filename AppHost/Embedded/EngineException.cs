namespace MicroPlatform.AppHost;

/// <summary>Something the person at the keyboard can put right: the message says what and how, and is shown without a stack trace.</summary>
public sealed class EngineException : Exception
{
    /// <summary>Creates the exception without a message.</summary>
    public EngineException()
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong and what to do about it.</param>
    public EngineException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong and what to do about it.</param>
    /// <param name="innerException">The failure behind it.</param>
    public EngineException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
