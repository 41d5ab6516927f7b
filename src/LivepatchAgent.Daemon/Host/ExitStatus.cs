using Microsoft.Extensions.Hosting;

namespace LivepatchAgent.Daemon.Host;

/// <summary>What the daemon's exit says to systemd, which restarts it on failure.</summary>
internal static class ExitStatus
{
    /// <summary>The host of the services ends with success even when one of them has failed.</summary>
    public static int Of(IEnumerable<IHostedService> services) =>
        services.OfType<BackgroundService>().Any(HasFailed) ? 1 : 0;

    private static bool HasFailed(BackgroundService service) =>
        service.ExecuteTask is { IsFaulted: true } or { IsCanceled: true };
}
