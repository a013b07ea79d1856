namespace MicroPlatform.Bench;

/// <summary>The benchmark cannot run here; the message is for a person and says what to do.</summary>
internal sealed class BenchException(string message) : Exception(message);
