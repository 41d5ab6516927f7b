using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>The ways to say no to a patch, and what the server hears of it.</summary>
internal static class Refusals
{
    /// <summary>No effect, and nothing for the server to hear but the state.</summary>
    public static Step.Believe RefuseQuietly(Turn turn, PatchRef patch, Problem problem, RefusalOrigin origin) =>
        RefuseQuietly(turn, patch.ManifestDigest, patch, problem, origin);

    /// <summary>The same where the patch's manifest may not have been read.</summary>
    public static Step.Believe RefuseQuietly(
        Turn turn, string manifest, PatchRef? patch, Problem problem, RefusalOrigin origin)
    {
        var refused = new Phase.Refused(manifest, patch, problem, origin, turn.Host.BootId);
        return new Step.Believe(Refuse(turn.State, refused), problem.Message);
    }

    /// <summary>The refusal is an outcome that the server hears of.</summary>
    public static AgentState RefuseAndReport(Turn turn, PatchRef patch, Problem problem, RefusalOrigin origin) =>
        RefuseAndReport(turn, patch.ManifestDigest, patch, problem, origin);

    /// <summary>The same where the patch's manifest may not have been read.</summary>
    public static AgentState RefuseAndReport(
        Turn turn, string manifest, PatchRef? patch, Problem problem, RefusalOrigin origin)
    {
        var boot = turn.Host.BootId;
        var kind = origin == RefusalOrigin.Kernel ? OutcomeKind.Failed : OutcomeKind.Refused;
        var reported = Report(turn, kind, manifest, problem, manifest + problem.Code + boot);
        var refused = Refuse(reported, new Phase.Refused(manifest, patch, problem, origin, boot));
        return refused with { Pursuit = refused.Pursuit with { LoadAttempts = 0 } };
    }

    /// <summary>
    /// A refusal, and what is loaded in the patch's place. Without an enrolment nobody could lift the one or vouch for
    /// the other.
    /// </summary>
    public static AgentState Refuse(AgentState state, Phase.Refused refused, PatchRef? instead = null)
    {
        if (state.Enrolment is null) return state.InPhase(IdlePhase(state));
        if (instead is null) return state.InPhase(refused);
        return state with
        {
            Pursuit = state.Pursuit with { Phase = new Phase.Downloaded(instead), WantedBy = null },
        };
    }

    /// <summary>
    /// Never loaded again on this host, and no longer what a crash falls back to. The last good patch takes its place,
    /// unless that one is quarantined as well.
    /// </summary>
    public static AgentState Quarantine(Turn turn, PatchRef patch, string reason)
    {
        var state = turn.State;
        var quarantined = new Quarantined(patch.ManifestDigest, patch.Version, reason, turn.Now, patch.Name);
        var problem = Problems.Quarantined(quarantined);
        var others = state.Record.Quarantine.Where(q => q.ManifestDigest != patch.ManifestDigest);
        var recorded = state with
        {
            Record = state.Record.WithoutGood(patch.ManifestDigest) with { Quarantine = [.. others, quarantined] },
            Kernel = state.Kernel.Forgiving(patch.ManifestDigest) with { Running = null },
            Pursuit = state.Pursuit with { LoadAttempts = 0 },
        };
        var about = patch.ManifestDigest + turn.Host.BootId;
        var reported = Report(turn.After(recorded), OutcomeKind.Quarantined, patch.ManifestDigest, problem, about);
        var boot = turn.Host.BootId;
        var refused = new Phase.Refused(patch.ManifestDigest, patch, problem, RefusalOrigin.Quarantine, boot);
        return Refuse(reported, refused, Fallback(turn.After(recorded)));
    }

    /// <summary>
    /// One more outcome for the server to hear; its id is made of what it is about, so that reporting it twice counts
    /// once.
    /// </summary>
    public static AgentState Report(Turn turn, OutcomeKind kind, string manifest, Problem? problem, string about)
    {
        var state = turn.State;
        if (state.Enrolment is null) return state;
        var id = Kebab.Of(kind) + "-" + Identity.Of(about);
        var outcome = new Outcome(id, turn.Now, kind, manifest, problem);
        var others = state.Conversation.Outcomes.Where(o => o.Id != id).TakeLast(Cadence.MaxOutcomes - 1);
        return state with { Conversation = state.Conversation with { Outcomes = [.. others, outcome] } };
    }

    /// <summary>
    /// Why this host never loads the patch, no matter who offers it; null if nothing is known against it.
    /// </summary>
    public static (Problem Problem, RefusalOrigin Origin)? WhyNever(HostRecord record, PatchRef patch) =>
        WhyNever(record, patch.ManifestDigest, patch.Version);

    /// <param name="record">What this host remembers.</param>
    /// <param name="manifest">SHA-256 of the patch's manifest.</param>
    /// <param name="name">What to call the patch: its version, or its manifest where that was not read yet.</param>
    public static (Problem Problem, RefusalOrigin Origin)? WhyNever(HostRecord record, string manifest, string name)
    {
        if (record.QuarantineOf(manifest) is { } quarantined)
            return (Problems.Quarantined(quarantined), RefusalOrigin.Quarantine);
        return record.IsWithdrawn(manifest) ? (Problems.Withdrawn(name), RefusalOrigin.Withdrawal) : null;
    }

    /// <summary>Where the agent stands with no patch under way.</summary>
    public static Phase IdlePhase(AgentState state)
    {
        if (state.Enrolment is not null) return new Phase.Resting();
        return state.Phase as Phase.NotEnrolled ?? new Phase.NotEnrolled(null);
    }

    /// <summary>The patch to load in place of one that took the host down.</summary>
    private static PatchRef? Fallback(Turn turn)
    {
        var record = turn.State.Record;
        if (turn.State.Enrolment is null || record.LastGood is not { } good) return null;
        return good.KernelRelease == turn.Host.KernelRelease && WhyNever(record, good) is null ? good : null;
    }
}
