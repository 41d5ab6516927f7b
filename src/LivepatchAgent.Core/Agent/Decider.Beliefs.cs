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

    /// <summary>
    /// False while what the last boot ran is still believed, as when this kernel has no livepatch or the kill switch is set:
    /// how that boot ended has yet to count, and a crash of this one says nothing of a patch that is not loaded.
    /// </summary>
    public static bool HasJudgedTheBoot(AgentState state, HostSnapshot host) => state.Running is not { } running || running.BootId == host.BootId;

    private static AgentState Completed(AgentState state, PatchRef patch, HostSnapshot host, DateTimeOffset now)
    {
        // Whether the old one was replaced shows a moment later; Upkeep keeps it when it still runs.
        var replaced = state.Running is { } old && old.Patch.Name != patch.Name ? With(state.Leftovers, old.Patch.Name) : state.Leftovers;
        var floor = state.FloorFor(host.KernelRelease);
        return Told(state, host, HappeningKind.Applied, patch.Manifest, null, patch.Manifest + host.BootId) with
        {
            Phase = state.Enrolment is null ? new Phase.NotEnrolled(null) : new Phase.Resting(),
            Running = new RunningPatch(patch, host.BootId, now, null),
            Floors = With(state.Floors, host.KernelRelease, floor with { Patch = Math.Max(floor.Patch, patch.Sequence) }),
            Leftovers = Without(replaced, patch.Name),
            LoadAttempts = 0,
            Untidy = true,
        };
    }

    /// <summary>Not again, and back to the last patch that is known to be good.</summary>
    private static AgentState Quarantine(AgentState state, PatchRef patch, string reason, HostSnapshot host)
    {
        var quarantined = new Quarantined(patch.Manifest, patch.Version, reason, DateTimeOffset.MinValue);
        var problem = Problems.Quarantined(quarantined);
        var fallback = state.LastGood is { } good && good.Manifest != patch.Manifest && good.KernelRelease == host.KernelRelease ? good : null;
        return Told(state, host, HappeningKind.Quarantined, patch.Manifest, problem, patch.Manifest + host.BootId) with
        {
            Quarantine = [.. state.Quarantine.Where(q => q.Manifest != patch.Manifest), quarantined],
            Running = null,
            LoadAttempts = 0,
            Phase = fallback is null ? new Phase.Refused(patch.Manifest, patch, problem) : new Phase.Downloaded(fallback),
        };
    }

    private static Step.Believe Refuse(AgentState state, string manifest, Problem problem, PatchRef? patch = null) =>
        new(state with { Phase = new Phase.Refused(manifest, patch, problem) }, problem.Message);

    private static AgentState Refused(AgentState state, string manifest, PatchRef? patch, Problem problem, HappeningKind kind, HostSnapshot host) =>
        Told(state, host, kind, manifest, problem, manifest + problem.Code + host.BootId) with { Phase = new Phase.Refused(manifest, patch, problem), LoadAttempts = 0 };

    /// <summary>One more thing to tell the server; the id is made of what it is about, so that saying it twice counts once.</summary>
    private static AgentState Told(AgentState state, HostSnapshot host, HappeningKind kind, string manifest, Problem? problem, string about)
    {
        var id = Kebab.Of(kind) + "-" + Identity.Of(about);
        IEnumerable<Happening> kept = state.Outcomes.Where(o => o.Id != id);
        if (state.Enrolment is null) return state;
        return state with { Outcomes = [.. kept.TakeLast(Cadence.MaxOutcomes - 1), new Happening(id, host.At, kind, manifest, problem)] };
    }

    private static PatchRef? Other(PatchRef? patch, PatchRef than) => patch?.Manifest == than.Manifest ? null : patch;

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static IReadOnlyList<string> With(IReadOnlyList<string> list, string item) => list.Contains(item) ? list : [.. list, item];

    private static IReadOnlyList<string> Without(IReadOnlyList<string> list, string item) => list.Contains(item) ? [.. list.Where(i => i != item)] : list;

    private static Dictionary<string, Floor> With(IReadOnlyDictionary<string, Floor> floors, string release, Floor floor) => new(floors) { [release] = floor };
}
