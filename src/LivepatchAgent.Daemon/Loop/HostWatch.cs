using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.PatchServer;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// All that a turn is decided by, beside what is believed: the host, the held call, the settings, the time.
/// </summary>
internal sealed class HostWatch(HostObserver observer, Listener listener, LiveSettings settings, TimeProvider time)
{
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>
    /// One look at kernel and host. The kill switch ends the held call at once: no call to the server at all, not even
    /// one that waits.
    /// </summary>
    public Result<HostSnapshot> Look(AgentState state)
    {
        if (!observer.Observe(state, listener.State).TryGet(out var host, out var problem)) return problem;
        if (host.KillSwitch != KillSwitch.Off || host.Listen is ListenState.Off) return host;
        HangUp();
        return host with { Listen = listener.State };
    }

    public Turn Turn(AgentState state, HostSnapshot host) => new(state, host, settings.Current.Policy, Now);

    /// <summary>Ends the held check-in, or takes its answer.</summary>
    public void HangUp() => listener.Close();
}
