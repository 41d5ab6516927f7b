using System.Diagnostics;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>What was seen of kernel and host in one look; immutable.</summary>
public sealed record HostSnapshot
{
    public required string BootId { get; init; }

    /// <summary>
    /// The boot ids of the last boots that ended in order (reboot, poweroff, halt, kexec). The system noted each when
    /// all services had stopped: that needs neither a living daemon nor room on the disk.
    /// </summary>
    public IReadOnlyList<string> CleanEnds { get; init; } = [];

    public required string KernelRelease { get; init; }

    public required string Architecture { get; init; }

    /// <summary>/sys/kernel/livepatch is there.</summary>
    public required bool LivepatchSupported { get; init; }

    public string? Lockdown { get; init; }

    public long Taint { get; init; }

    public KillSwitch KillSwitch { get; init; }

    /// <summary>/sys/kernel/livepatch, one entry a directory.</summary>
    public IReadOnlyList<LoadedPatch> Patches { get; init; } = [];

    /// <summary>Those modules of interest (target, running, leftovers) that are in /sys/module.</summary>
    public IReadOnlyDictionary<string, LoadedModule> Modules { get; init; } = new Dictionary<string, LoadedModule>();

    /// <summary>Tasks that hold a transition; looked for only while one runs.</summary>
    public IReadOnlyList<BlockingTask> BlockingTasks { get; init; } = [];

    public int BlockingTaskCount { get; init; }

    public ListenState Listen { get; init; } = new ListenState.Off();

    /// <summary>A random number from 0 to 1, drawn for this look.</summary>
    public double Jitter { get; init; }

    /// <summary>When it was looked.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>
    /// How long the host has run then (CLOCK_MONOTONIC): no person and no server sets it, and it counts on while the
    /// daemon restarts.
    /// </summary>
    public TimeSpan Uptime { get; init; }

    /// <summary>The uptime a little later, when an effect is over.</summary>
    public TimeSpan UptimeAt(DateTimeOffset now)
    {
        var later = now - At;
        return later > TimeSpan.Zero && later < TimeSpan.FromMinutes(1) ? Uptime + later : Uptime;
    }

    /// <summary>
    /// How long ago it was within this boot; by the clock where the uptime of that moment is not known, and never
    /// negative.
    /// </summary>
    public static TimeSpan Elapsed(TimeSpan? then, DateTimeOffset at, TimeSpan uptime, DateTimeOffset now)
    {
        if (then is { } begun && begun <= uptime) return uptime - begun;
        return now > at ? now - at : TimeSpan.Zero;
    }

    /// <summary>What the kernel does with the patch of this name.</summary>
    public PatchSighting Sight(string name)
    {
        foreach (var patch in Patches)
        {
            if (patch.Name != name) continue;
            return (patch.Enabled, patch.Transition) switch
            {
                (true, true) => PatchSighting.Switching,
                (true, false) => PatchSighting.Running,
                (false, true) => PatchSighting.Reverting,
                (false, false) => PatchSighting.Disabled,
            };
        }

        return Modules.ContainsKey(name) ? PatchSighting.Lingering : PatchSighting.Absent;
    }
}

/// <param name="BuildId">Of its note section, hex; null when it has none.</param>
/// <param name="References">refcnt.</param>
public sealed record LoadedModule(string? BuildId, int References);

/// <summary>
/// The closed list of what can be seen of one patch (Documentation/ABI/testing/sysfs-kernel-livepatch).
/// </summary>
public enum PatchSighting
{
    /// <summary>No such module.</summary>
    Absent,

    /// <summary>The module is there and patches nothing.</summary>
    Lingering,

    /// <summary>enabled=1, transition=1.</summary>
    Switching,

    /// <summary>enabled=1, transition=0: applied.</summary>
    Running,

    /// <summary>enabled=0, transition=1.</summary>
    Reverting,

    /// <summary>enabled=0, transition=0: for a moment at the end of unpatching.</summary>
    Disabled,
}

internal static class PatchSightings
{
    /// <summary>The patch's code runs, or runs in some tasks: enabled, or on its way in or out.</summary>
    public static bool IsInForce(this PatchSighting sighting) => sighting switch
    {
        PatchSighting.Running or PatchSighting.Switching or PatchSighting.Reverting => true,
        PatchSighting.Absent or PatchSighting.Lingering or PatchSighting.Disabled => false,
        _ => throw new UnreachableException(),
    };
}

/// <summary>The held check-in.</summary>
public abstract record ListenState
{
    private ListenState()
    {
    }

    public sealed record Off : ListenState;

    public sealed record Open : ListenState;

    public sealed record Answered(Assignment Assignment) : ListenState;

    public sealed record Broken(Problem Problem) : ListenState;
}
