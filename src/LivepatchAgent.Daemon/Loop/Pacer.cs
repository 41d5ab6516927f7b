using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Systemd;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// How the loop rests: until a time, a nudge or the watchdog's hour. Going to a long rest, it gives memory back.
/// </summary>
internal sealed class Pacer(Inbox inbox, ServiceNotifier notifier, TimeProvider time)
{
    /// <summary>An effect may have left memory behind since it was last given back.</summary>
    private bool _workedSinceTrim = true;

    /// <summary>The uptime when patches began to move, or since a nudge; null while no patch moves.</summary>
    private TimeSpan? _movingSince;

    /// <summary>The loop has made a turn, or an effect has made progress: systemd's watchdog is fed.</summary>
    public void Alive() => notifier.Alive();

    /// <summary>An effect comes.</summary>
    public void Work() => _workedSinceTrim = true;

    public Task RestAsync(TimeSpan pause, CancellationToken stop) => RestAsync(time.GetUtcNow() + pause, stop);

    public async Task RestAsync(DateTimeOffset until, CancellationToken stop)
    {
        var rest = until - time.GetUtcNow();
        if (rest > Cadence.LongRest && _workedSinceTrim)
        {
            // What was set in motion, a held call's handshake for one, should be over before its memory can go back.
            var pause = notifier.FeedEvery is { } often && often < Cadence.LongRest ? often : Cadence.LongRest;
            if (await WaitAsync(pause, stop)) return;
            _workedSinceTrim = false;
            Memory.GiveBack();
            notifier.Alive();
            rest = until - time.GetUtcNow();
        }

        if (notifier.FeedEvery is { } feed && feed < rest) rest = feed;
        if (rest <= TimeSpan.Zero) return;
        var isLongerThanATimerCounts = rest.TotalDays > 20;
        await WaitAsync(isLongerThanATimerCounts ? Timeout.InfiniteTimeSpan : rest, stop);
    }

    /// <summary>When patches that move are looked at again: what the board shows of them must not stay wrong.</summary>
    public DateTimeOffset NextLook(HostSnapshot host)
    {
        var age = _movingSince is { } since ? host.Uptime - since : TimeSpan.Zero;
        var pause = Cadence.NextLook(host.Patches, age);
        _movingSince = pause is null ? null : host.Uptime - age;
        return pause is { } soon ? host.At + soon : DateTimeOffset.MaxValue;
    }

    /// <summary>True when nudged.</summary>
    private async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken stop)
    {
        var nudged = await inbox.WaitAsync(atMost, stop);
        if (nudged) _movingSince = null; // perhaps by a line of the kernel's: look closely again
        return nudged;
    }
}
