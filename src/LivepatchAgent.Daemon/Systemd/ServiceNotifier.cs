using System.Globalization;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using Microsoft.Extensions.Hosting.Systemd;

namespace LivepatchAgent.Daemon.Systemd;

/// <summary>
/// sd_notify(3): STATUS= in words and WATCHDOG=1. READY=1 and STOPPING=1 are Hosting.Systemd's; the other two it leaves
/// to us.
/// </summary>
internal sealed class ServiceNotifier
{
    private readonly ISystemdNotifier _notifier;
    private readonly TimeProvider _time;
    private string _lastWords = "";
    private long? _lastFeed;

    /// <param name="notifier">The line to systemd.</param>
    /// <param name="watchdog">WATCHDOG_USEC of the environment.</param>
    /// <param name="time">
    /// Of which only what has passed counts: the watchdog knows nothing of a clock that was set.
    /// </param>
    public ServiceNotifier(ISystemdNotifier notifier, string? watchdog, TimeProvider time)
    {
        _notifier = notifier;
        _time = time;
        if (!notifier.IsEnabled) return;
        var isNumber = long.TryParse(watchdog, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds);
        if (isNumber && microseconds > 0) FeedEvery = TimeSpan.FromMicroseconds(microseconds / 2.0);
    }

    /// <summary>Half the watchdog's time; null without a watchdog.</summary>
    public TimeSpan? FeedEvery { get; }

    /// <summary>The loop has made a turn. Said at most once a quarter of the watchdog's time.</summary>
    public void Alive()
    {
        if (FeedEvery is not { } feed) return;
        var isEarly = _lastFeed is { } last && _time.GetElapsedTime(last) < feed / 2;
        if (isEarly) return;
        _lastFeed = _time.GetTimestamp();
        _notifier.Notify(new ServiceState("WATCHDOG=1"));
    }

    /// <summary>The line in `systemctl status`.</summary>
    public void Say(AgentStatus status)
    {
        var words = Words(status);
        if (words == _lastWords || !_notifier.IsEnabled) return;
        _lastWords = words;
        _notifier.Notify(new ServiceState("STATUS=" + words));
    }

    internal static string Words(AgentStatus status) => status.State switch
    {
        PatchState.NotEnrolled => status.Problem?.Message ?? "not enrolled; run `livepatch-agent enable TOKEN`",
        PatchState.NeedsCheck => status.CheckIn.Problem?.Message ?? "waiting for the first check-in",
        PatchState.NothingToApply => $"no patch for kernel {status.Kernel.Release}",
        PatchState.Applying => status.Activity is { } a ? $"{Kebab.Of(a.Kind).Replace('-', ' ')}" : "applying a patch",
        PatchState.Applied => Applied(status),
        PatchState.Stalled or PatchState.Refused or PatchState.ApplyFailed or PatchState.Unsupported =>
            status.Problem?.Message ?? Kebab.Of(status.State),
        _ => Kebab.Of(status.State),
    };

    private static string Applied(AgentStatus status)
    {
        var outage = status.CheckIn.Result == CheckInResult.Failed ? "; the patch server does not answer" : "";
        return $"patch {status.Patch?.Version} applied{outage}";
    }
}
