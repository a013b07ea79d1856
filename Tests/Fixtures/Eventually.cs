namespace MicroPlatform.Tests.Fixtures;

/// <summary>Waits for asynchronous effects, never longer than needed.</summary>
internal static class Eventually
{
    /// <summary>Polls the condition until it holds; fails after <paramref name="seconds"/>, by default 60 for slow machines.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition, string because, int seconds = 60) =>
        Assert.True(await IsTrueAsync(condition, seconds), $"Not within {seconds} s: {because}");

    /// <summary>Polls the condition until it holds; false if it does not within <paramref name="seconds"/>.</summary>
    public static async Task<bool> IsTrueAsync(Func<Task<bool>> condition, int seconds)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (seconds * TimeProvider.System.TimestampFrequency);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
        {
            if (TimeProvider.System.GetTimestamp() >= deadline)
            {
                return false;
            }

            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        return true;
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
