using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace MicroPlatform.AppHost;

/// <summary>
/// A folder that belongs to one run at a time, and the list of that run's processes. The lock is the operating system's, so it ends with
/// the process however that ends; what a killed run left is put away by whoever takes the folder next.
/// </summary>
internal sealed class RunFolder : IAsyncDisposable
{
    private const string Prefix = "microplatform-";
    private const string LockFile = "lock";
    private static readonly TimeSpan JustCreated = TimeSpan.FromSeconds(5);
    private readonly FileStream _lock;
    private readonly Dictionary<int, Tracked> _processes = [];
    private readonly Lock _gate = new();

    private RunFolder(string path, bool isTemporary, FileStream @lock)
    {
        (Path, IsTemporary, _lock) = (path, isTemporary, @lock);
    }

    public string Path { get; }

    /// <summary>Whether the folder goes when the run ends.</summary>
    public bool IsTemporary { get; }

    /// <summary>How many processes of a killed run were found and ended.</summary>
    public int Recovered { get; private set; }

    private string ProcessFile => System.IO.Path.Combine(Path, "processes.json");

    private static string OwnerFile(string folder) => System.IO.Path.Combine(folder, "owner");

    /// <exception cref="EngineException">Another run has the folder.</exception>
    public static async Task<RunFolder> OpenAsync(string folder, CancellationToken ct)
    {
        folder = System.IO.Path.GetFullPath(folder);
        try
        {
            Folders.Create(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EngineException($"There cannot be a folder {folder}: {error.Message} Choose another with --data <folder>, or use --ephemeral.", error);
        }

        return await TryOpenAsync(folder, isTemporary: false, FileMode.OpenOrCreate, ct) ?? throw new EngineException(
            $"{folder} is in use by another run of the platform{Owner(folder)}. Stop that one first, or give this one its own folder with --data <folder> or --ephemeral.");
    }

    public static async Task<RunFolder> CreateTemporaryAsync(CancellationToken ct)
    {
        await RecoverTemporaryAsync(ct);
        var folder = Folders.Create(System.IO.Path.Combine(Folders.Temporary, Prefix + Guid.CreateVersion7().ToString("N")));
        return await TryOpenAsync(folder, isTemporary: true, FileMode.CreateNew, ct) ?? throw new EngineException($"{folder} was taken by another process.");
    }

    /// <summary>Remembers a process, so that the next run can end it with the signal it understands should this one be killed.</summary>
    public void Track(Process process, int signal)
    {
        try
        {
            // The start time tells the process from a later one with the same number.
            var started = process.StartTime.ToUniversalTime();
            Update(() => _processes[process.Id] = new Tracked(process.Id, started, signal));
        }
        catch (Exception error) when (error is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // Gone already, so there is nothing to end; whoever started it finds out why.
        }
    }

    public void Untrack(int processId) => Update(() => _processes.Remove(processId));

    /// <summary>Deletes what runs keep in the folder, and nothing else: it may be any folder the user named.</summary>
    public void Clear()
    {
        foreach (var folder in new[] { System.IO.Path.Combine(Path, "postgres"), Folders.Server(Path) }.Where(Directory.Exists))
        {
            Directory.Delete(folder, recursive: true);
        }

        foreach (var file in new[] { ServiceFile.FileName, Passwords.FileName, GatewayCertificate.FileName, GatewayCertificate.KeyFileName })
        {
            File.Delete(System.IO.Path.Combine(Path, file));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (OperatingSystem.IsWindows())
        {
            await _lock.DisposeAsync(); // an open file cannot be deleted there
        }

        if (!IsTemporary)
        {
            File.Delete(OwnerFile(Path));
        }
        else if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }

        await _lock.DisposeAsync();
    }

    private static async Task<RunFolder?> TryOpenAsync(string folder, bool isTemporary, FileMode mode, CancellationToken ct)
    {
        var path = System.IO.Path.Combine(folder, LockFile);
        FileStream taken;
        try
        {
            taken = new FileStream(path, mode, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path) || mode == FileMode.Open)
        {
            return null;
        }
        catch (UnauthorizedAccessException error)
        {
            throw new EngineException($"{folder} belongs to another account. Use that account, or another folder with --data <folder>.", error);
        }

        var run = new RunFolder(folder, isTemporary, taken);
        await run.RecoverAsync(ct);
        await File.WriteAllTextAsync(OwnerFile(folder), Environment.ProcessId.ToString(CultureInfo.InvariantCulture), ct);
        return run;
    }

    private static string Owner(string folder) =>
        File.Exists(OwnerFile(folder)) ? $" (process {File.ReadAllText(OwnerFile(folder))})" : "";

    // Ends what a killed run left running.
    private async Task RecoverAsync(CancellationToken ct)
    {
        if (!File.Exists(ProcessFile))
        {
            return;
        }

        var leftovers = JsonSerializer.Deserialize<Tracked[]>(await File.ReadAllTextAsync(ProcessFile, ct))!
            .Select(tracked => (tracked.Signal, Process: Find(tracked)))
            .Where(leftover => leftover.Process is not null)
            .ToList();
        // The database last: services finish their work on it.
        foreach (var together in leftovers.GroupBy(leftover => leftover.Signal == Signals.Interrupt).OrderBy(group => group.Key))
        {
            await Task.WhenAll(together.Select(leftover => Signals.EndAsync(leftover.Process!, leftover.Signal, ct)));
        }

        leftovers.ForEach(leftover => leftover.Process!.Dispose());
        Recovered = leftovers.Count;
        File.Delete(ProcessFile);
    }

    private static Process? Find(Tracked tracked)
    {
        try
        {
            var process = Process.GetProcessById(tracked.Id);
            // The clock may be set while a process runs, and its start time is worked out from the clock.
            if ((process.StartTime.ToUniversalTime() - tracked.Started).Duration() < TimeSpan.FromSeconds(2))
            {
                return process;
            }

            process.Dispose();
            return null;
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null; // gone
        }
    }

    // Temporary folders of killed runs: nobody else will ever come back for them.
    private static async Task RecoverTemporaryAsync(CancellationToken ct)
    {
        foreach (var folder in new DirectoryInfo(Folders.Temporary).EnumerateDirectories(Prefix + "*"))
        {
            if (DateTime.UtcNow - folder.CreationTimeUtc > JustCreated && IsOurs(folder)
                && await TryOpenAsync(folder.FullName, isTemporary: true, FileMode.Open, ct) is { } abandoned)
            {
                await abandoned.DisposeAsync();
            }
        }
    }

    // A temporary folder may be shared with other accounts: only its owner may set a folder's mode.
    private static bool IsOurs(DirectoryInfo folder)
    {
        try
        {
            Folders.Own(folder.FullName);
            return folder.LinkTarget is null;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Update(Action change)
    {
        lock (_gate)
        {
            change();
            PrivateFile.Write(ProcessFile, JsonSerializer.Serialize(_processes.Values));
        }
    }

    private sealed record Tracked(int Id, DateTime Started, int Signal);
}
