namespace MicroPlatform.Tests.Fixtures;

/// <summary>Waits for asynchronous effects, never longer than needed.</summary>
internal static class Eventually
{
    /// <summary>Polls the condition until it holds; fails after <paramref name="seconds"/>, by default 60 for slow machines.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition, string because, int seconds = 60)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (seconds * TimeProvider.System.TimestampFrequency);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetTimestamp() < deadline, $"Not within {seconds} s: {because}");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Polls until nothing is found; fails after <paramref name="seconds"/> and lists what is left.</summary>
    public static async Task NoneAsync(Func<Task<IReadOnlyList<string>>> find, string because, int seconds = 60)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (seconds * TimeProvider.System.TimestampFrequency);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (await find() is { Count: > 0 } found)
        {
            Assert.True(
                TimeProvider.System.GetTimestamp() < deadline,
                $"Not within {seconds} s: {because}. {string.Join(Environment.NewLine, found)}");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }
}
