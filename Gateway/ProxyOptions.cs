using System.ComponentModel.DataAnnotations;

namespace MicroPlatform.Gateway;

/// <summary>How the Gateway calls the services, section <c>Proxy</c>.</summary>
internal sealed class ProxyOptions
{
    /// <summary>How long a service may stay silent, before its answer or within it; then the caller gets 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a caller may pause while it sends its message or reads the answer; then the call ends.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan CallerPause { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long connecting to a replica may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.05", "00:01:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a failed replica is avoided while others answer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan ReactivationPeriod { get; set; } = TimeSpan.FromSeconds(5);
}
