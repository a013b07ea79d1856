using System.Diagnostics;

namespace MicroPlatform.AppHost;

/// <summary>What a process writes: passed on line by line, the last of them kept to tell why it ended.</summary>
/// <param name="log">Takes each line.</param>
internal sealed class ProcessOutput(Action<string> log)
{
    private const int Kept = 30;
    private readonly Queue<string> _lines = new();

    /// <summary>Reads both outputs of a process to their end.</summary>
    public void Follow(Process process)
    {
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public void Note(string? line)
    {
        if (line is null)
        {
            return;
        }

        log(line);
        lock (_lines)
        {
            _lines.Enqueue(line);
            if (_lines.Count > Kept)
            {
                _lines.Dequeue();
            }
        }
    }

    public void Clear()
    {
        lock (_lines)
        {
            _lines.Clear();
        }
    }

    public override string ToString()
    {
        lock (_lines)
        {
            return string.Join(Environment.NewLine, _lines);
        }
    }
}
