using Microsoft.Extensions.Hosting;

namespace LivepatchAgent.Daemon;

/// <summary>What the daemon's exit says to systemd, which restarts it on failure.</summary>
internal static class Ending
{
    /// <summary>The host itself ends in peace when one of its services fails.</summary>
    public static int Status(IEnumerable<IHostedService> services) =>
        services.OfType<BackgroundService>().Any(s => s.ExecuteTask is { IsFaulted: true } or { IsCanceled: true }) ? 1 : 0;
}
