using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>The small changes of belief that the decisions are made of.</summary>
public static partial class Decider
{
    /// <summary>Files that may be needed again: what runs, what a crash falls back to, what is on its way.</summary>
    private static IEnumerable<PatchRef> Kept(AgentState state)
    {
        if (state.Running is { } running) yield return running.Patch;
        if (state.LastGood is { } good) yield return good;
        if (state.Phase.Target is { } target) yield return target;
    }

    private static AgentState Completed(AgentState state, PatchRef patch, HostSnapshot host, DateTimeOffset now)
    {
        var floor = state.FloorFor(host.KernelRelease);
        var old = state.Running is { } running && running.Patch.Manifest != patch.Manifest ? running : null;
        // Whoever was withdrawn while it ran is nothing to fall back to once it is replaced.
        var spent = old is not null && (old.Withdrawn is not null || state.PendingWithdrawals.Any(p => p.Manifest == old.Patch.Manifest));
        return Forgotten(Replaced(Told(state, host, HappeningKind.Applied, patch.Manifest, null, patch.Manifest + host.BootId), old?.Patch, patch, host), patch.Name) with
        {
            Phase = Idle(state),
            Running = new RunningPatch(patch, host.BootId, now, null, host.Uptime),
            LastGood = spent ? Other(state.LastGood, old!.Patch) : state.LastGood,
            Floors = With(state.Floors, host.KernelRelease, floor.With(patch)),
            LoadAttempts = 0,
            Crashes = state.LastGood?.Manifest == patch.Manifest ? state.Crashes : 0,
            Untidy = true,
        };
    }

    /// <summary>
    /// One look may have caught the old one just before it was put out, where the kernel does not say that the new one
    /// replaces it: its module is looked after, and Upkeep keeps it when it still runs; but nothing is told of it.
    /// </summary>
    private static AgentState Replaced(AgentState state, PatchRef? old, PatchRef patch, HostSnapshot host)
    {
        if (old is null || old.Name == patch.Name) return state;
        return host.Patches.FirstOrDefault(p => p.Name == patch.Name)?.Replace switch
        {
            false => state,
            null when host.Sight(old.Name) is PatchSighting.Running => state with { Leftovers = With(state.Leftovers, old.Name) },
            _ => Left(state, old),
        };
    }

    /// <summary>
    /// Never loaded again on this host, and no longer what a crash falls back to. The last good patch takes its place,
    /// unless that one is quarantined as well.
    /// </summary>
    private static AgentState Quarantine(AgentState state, PatchRef patch, string reason, HostSnapshot host)
    {
        var quarantined = new Quarantined(patch.Manifest, patch.Version, reason, host.At);
        var problem = Problems.Quarantined(quarantined);
        var recorded = state with
        {
            Quarantine = [.. state.Quarantine.Where(q => q.Manifest != patch.Manifest), quarantined],
            LastGood = Other(state.LastGood, patch),
            Running = null,
            LoadAttempts = 0,
        };
        var reported = Told(recorded, host, HappeningKind.Quarantined, patch.Manifest, problem, patch.Manifest + host.BootId);
        return Refusing(reported, new Phase.Refused(patch.Manifest, patch, problem), Fallback(recorded, host));
    }

    /// <summary>The patch to load in place of one that took the host down.</summary>
    private static PatchRef? Fallback(AgentState state, HostSnapshot host)
    {
        if (state.Enrolment is null || state.LastGood is not { } good) return null;
        return good.KernelRelease == host.KernelRelease && QuarantineOf(state, good.Manifest) is null ? good : null;
    }

    private static Quarantined? QuarantineOf(AgentState state, string manifest) =>
        state.Quarantine.FirstOrDefault(q => q.Manifest == manifest);

    private static Step.Believe Refuse(AgentState state, string manifest, Problem problem, PatchRef? patch = null) =>
        new(Refusing(state, new Phase.Refused(manifest, patch, problem)), problem.Message);

    private static AgentState Refused(AgentState state, string manifest, PatchRef? patch, Problem problem, HappeningKind kind, HostSnapshot host) =>
        Refusing(Told(state, host, kind, manifest, problem, manifest + problem.Code + host.BootId), new Phase.Refused(manifest, patch, problem)) with { LoadAttempts = 0 };

    /// <summary>A refusal, and what is loaded instead. Without an enrolment nobody could lift the one or vouch for the other.</summary>
    private static AgentState Refusing(AgentState state, Phase.Refused refused, PatchRef? instead = null) => state switch
    {
        { Enrolment: null } => state with { Phase = Idle(state) },
        _ when instead is not null => state with { Phase = new Phase.Downloaded(instead), WantedBy = null },
        _ => state with { Phase = refused },
    };

    private static Phase Idle(AgentState state) => state.Enrolment is null ? state.Phase as Phase.NotEnrolled ?? new Phase.NotEnrolled(null) : new Phase.Resting();

    /// <summary>One more thing to tell the server; the id is made of what it is about, so that saying it twice counts once.</summary>
    private static AgentState Told(AgentState state, HostSnapshot host, HappeningKind kind, string manifest, Problem? problem, string about)
    {
        var id = Kebab.Of(kind) + "-" + Identity.Of(about);
        IEnumerable<Happening> kept = state.Outcomes.Where(o => o.Id != id);
        if (state.Enrolment is null) return state;
        return state with { Outcomes = [.. kept.TakeLast(Cadence.MaxOutcomes - 1), new Happening(id, host.At, kind, manifest, problem)] };
    }

    /// <summary>Its module patches nothing any more; which patch it was is kept until the module is gone.</summary>
    private static AgentState Left(AgentState state, PatchRef patch) => state with
    {
        Leftovers = With(state.Leftovers, patch.Name),
        LeftoverPatches = [.. state.LeftoverPatches.Where(p => p.Name != patch.Name), Chronicle.Of(patch)],
    };

    private static AgentState Forgotten(AgentState state, string name) => state with
    {
        Leftovers = Without(state.Leftovers, name),
        LeftoverPatches = [.. state.LeftoverPatches.Where(p => p.Name != name)],
    };

    private static HistoryBy? ByServer(AgentState state) => state.Enrolment is { } e ? new HistoryBy(Server: e.Server) : null;

    private static PatchRef? Other(PatchRef? patch, PatchRef than) => patch?.Manifest == than.Manifest ? null : patch;

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static IReadOnlyList<string> With(IReadOnlyList<string> list, string item) => list.Contains(item) ? list : [.. list, item];

    private static IReadOnlyList<string> Without(IReadOnlyList<string> list, string item) => list.Contains(item) ? [.. list.Where(i => i != item)] : list;

    private static Dictionary<string, Floor> With(IReadOnlyDictionary<string, Floor> floors, string release, Floor floor) => new(floors) { [release] = floor };
}
