using System.Diagnostics;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>A transition of ours, watched to its end: complete, reversed, or stalled and reported.</summary>
internal static class Transitions
{
    public static Advice Of(Turn turn)
    {
        if (turn.Phase is not Phase.Transitioning phase) return Advice.Nothing;
        // When an adopted transition began is not known, and one of the future did not begin then: count from here.
        if (phase.Since == DateTimeOffset.MinValue || (phase.Uptime is null && phase.Since > turn.Now))
            return new Step.Believe(CountedFrom(turn, phase), "watching the transition");
        return turn.Host.Sight(phase.Patch.Name) switch
        {
            PatchSighting.Running => new Step.Believe(Completed(turn, phase.Patch), "transition complete"),
            PatchSighting.Switching => Switching(turn, phase),
            PatchSighting.Reverting => Watched(turn, phase),
            PatchSighting.Absent or PatchSighting.Lingering or PatchSighting.Disabled => Reversed(turn, phase),
            _ => throw new UnreachableException(),
        };
    }

    /// <summary>
    /// Whether or not the kernel would reverse it: see what becomes of it, and do not ask again at once.
    /// </summary>
    public static AgentState After(Turn turn) =>
        turn.Phase is Phase.Transitioning p ? CountedFrom(turn, p) : turn.State;

    private static AgentState CountedFrom(Turn turn, Phase.Transitioning phase) =>
        turn.State.InPhase(phase with { Since = turn.Now, Uptime = turn.Uptime });

    private static Advice Switching(Turn turn, Phase.Transitioning phase)
    {
        var age = phase.Age(turn.Uptime, turn.Now);
        if (!phase.StallReported && age >= turn.Policy.StallAfter)
        {
            var problem = Problems.Stalled(phase.Patch, turn.Host, age);
            var manifest = phase.Patch.ManifestDigest;
            var reported = Refusals.Report(turn, OutcomeKind.Stalled, manifest, problem, About(phase));
            return new Step.Believe(reported.InPhase(phase with { StallReported = true }), "the transition is stalled");
        }

        return age >= turn.Policy.ReverseAfter ? new Step.Reverse(phase.Patch.Name) : Watched(turn, phase);
    }

    private static Advice Watched(Turn turn, Phase.Transitioning phase) =>
        Advice.At(turn.Now + Cadence.TransitionPace(phase.Age(turn.Uptime, turn.Now)));

    private static Step.Believe Reversed(Turn turn, Phase.Transitioning phase)
    {
        var patch = phase.Patch;
        var problem = Problems.Reversed(patch);
        var reported = Refusals.Report(turn, OutcomeKind.Reversed, patch.ManifestDigest, problem, About(phase));
        var left = reported with { Kernel = reported.Kernel.Leaving(patch) };
        var refused = new Phase.Refused(patch.ManifestDigest, patch, problem, RefusalOrigin.Kernel, turn.Host.BootId);
        return new Step.Believe(Refusals.Refuse(left, refused), "the transition was reversed");
    }

    private static AgentState Completed(Turn turn, PatchRef patch)
    {
        var (state, release) = (turn.State, turn.Host.KernelRelease);
        var (manifest, boot) = (patch.ManifestDigest, turn.Host.BootId);
        var old = state.Kernel.Running is { } running && running.Patch.ManifestDigest != manifest ? running : null;
        var reported = Refusals.Report(turn, OutcomeKind.Applied, manifest, null, manifest + boot);
        var replaced = Replaced(turn.Host, reported.Kernel, old?.Patch, patch).Forgetting(patch.Name);
        var record = old is null ? state.Record : RecordAfter(state, old);
        return reported with
        {
            Kernel = replaced with { Running = new RunningPatch(patch, boot, turn.Now, null, turn.Uptime) },
            Record = record.WithFloor(release, record.FloorFor(release).With(patch)),
            Pursuit = state.Pursuit with { Phase = Refusals.IdlePhase(state), LoadAttempts = 0, Untidy = true },
        };
    }

    /// <summary>A patch that was withdrawn while it ran is nothing to fall back to once it is replaced.</summary>
    private static HostRecord RecordAfter(AgentState state, RunningPatch old) =>
        IsWithdrawn(state, old) ? state.Record.WithoutGood(old.Patch.ManifestDigest) : state.Record;

    private static bool IsWithdrawn(AgentState state, RunningPatch running) =>
        running.WithdrawalReason is not null
        || state.Conversation.Withdrawals.Pending.Any(p => p.ManifestDigest == running.Patch.ManifestDigest);

    /// <summary>
    /// One look may have caught the old patch just before it was disabled, where the kernel does not say that the new
    /// one replaces it: its module is looked after, and kept when it still runs; but no history is written of it.
    /// </summary>
    private static KernelBelief Replaced(HostSnapshot host, KernelBelief kernel, PatchRef? old, PatchRef patch)
    {
        if (old is null || old.Name == patch.Name) return kernel;
        var replaces = host.Patches.FirstOrDefault(p => p.Name == patch.Name)?.Replace;
        if (replaces == false) return kernel;
        var stillRuns = replaces is null && host.Sight(old.Name) is PatchSighting.Running;
        if (!stillRuns) return kernel.Leaving(old);
        var isKnown = kernel.Leftovers.Contains(old.Name);
        return isKnown ? kernel : kernel with { Leftovers = [.. kernel.Leftovers, old.Name] };
    }

    private static string About(Phase.Transitioning phase) =>
        phase.Patch.ManifestDigest + phase.Since.ToUnixTimeSeconds();
}
