using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// The crash guard. How a boot ended is judged once, by the next one, before anything else; then what ran is loaded
/// again, or the patch that ended the host is quarantined.
/// </summary>
internal static class Boots
{
    public static Advice Of(Turn turn)
    {
        if (turn.Phase is Phase.Enrolling) return Advice.Nothing;
        if (turn.Phase is Phase.InKernel p)
            return p.BootId == turn.Host.BootId ? Advice.Nothing : AfterUnfinishedLoad(turn, p);
        return turn.Running is { } running && running.BootId != turn.Host.BootId
            ? AfterTheBoot(turn, running)
            : Advice.Nothing;
    }

    /// <summary>
    /// A boot that finds no clean stop was a crash, from the first turn on that did more than to judge the one before.
    /// A load is never begun under the word "clean", whatever else is believed.
    /// </summary>
    public static AgentState Begin(Turn turn, Step step)
    {
        var hasJudged = HasJudgedTheBoot(turn.State, turn.Host.BootId);
        // The system's mark names the last boots alone: what it said is kept until that boot is judged.
        var clean = hasJudged ? turn.State.Kernel.StoppedCleanly : EndedCleanly(turn);
        var onlyJudges = step is Step.Believe || !hasJudged;
        var stays = clean && step is not Step.Load && onlyJudges;
        return turn.State with { Kernel = turn.State.Kernel with { StoppedCleanly = stays } };
    }

    public static AgentState Stopped(AgentState state, string bootId)
    {
        var clean = state.Kernel.StoppedCleanly || HasJudgedTheBoot(state, bootId);
        return state with { Kernel = state.Kernel with { StoppedCleanly = clean } };
    }

    /// <summary>
    /// False while the state still describes an earlier boot (no livepatch support, or the kill switch is set): that
    /// boot has not been judged yet, and this one says nothing about a patch it never loaded.
    /// </summary>
    private static bool HasJudgedTheBoot(AgentState state, string bootId)
    {
        var running = state.Kernel.Running?.BootId ?? bootId;
        var loading = (state.Phase as Phase.InKernel)?.BootId ?? bootId;
        return running == bootId && loading == bootId;
    }

    /// <summary>
    /// Whether the boot that is still to be judged ended in order: the daemon saved that it was stopped, or the system
    /// left its mark, which needs neither a living daemon nor room on the disk.
    /// </summary>
    private static bool EndedCleanly(Turn turn)
    {
        var boot = (turn.Phase as Phase.InKernel)?.BootId ?? turn.Running?.BootId;
        return turn.State.Kernel.StoppedCleanly || (boot is not null && turn.Host.CleanEnds.Contains(boot));
    }

    /// <summary>
    /// First how it ended, as nothing else of that boot may be forgotten before; then whether the patch is to be loaded
    /// again.
    /// </summary>
    private static Step.Believe AfterTheBoot(Turn turn, RunningPatch running)
    {
        var (judged, blame) = Judge(turn, running);
        return AfterTheBoot(turn, running, judged, blame);
    }

    private static Step.Believe AfterTheBoot(Turn turn, RunningPatch running, AgentState judged, string? blame)
    {
        var patch = running.Patch;
        if (patch.KernelRelease != turn.Host.KernelRelease) return AnotherKernel(turn.After(judged));
        if (blame is not null) return new Step.Believe(judged, blame);
        if (judged.Enrolment is null) return new Step.Believe(judged, "rebooted while not enrolled");
        if (running.WithdrawalReason is not null)
        {
            var (why, boot) = (Problems.Withdrawn(patch.Version), turn.Host.BootId);
            var withdrawn = new Phase.Refused(patch.ManifestDigest, patch, why, RefusalOrigin.Withdrawal, boot);
            return new Step.Believe(judged.InPhase(withdrawn), $"rebooted: {patch.Name} was withdrawn and stays out");
        }

        if (WhyNotHere(turn.Host, patch) is { } no)
            return Refusals.RefuseQuietly(turn.After(judged), patch, no.Problem, no.Origin);
        return new Step.Believe(LoadedAgain(judged, patch), $"rebooted: {patch.Name} is to be loaded again");
    }

    /// <summary>What the end of the boot says of the patch that ran, and the reason when it is to blame.</summary>
    private static (AgentState State, string? Blame) Judge(Turn turn, RunningPatch running)
    {
        var gone = Gone(turn.State, running);
        if (EndedCleanly(turn) || running.SurvivedProbation) return (Forgiven(gone, running.Patch), null);
        const string Fate = "the host went down while the patch was in its probation";
        return Blame(turn.After(gone), running.Patch, IsProven(turn.State, running.Patch), Fate);
    }

    /// <summary>
    /// One strike for a patch that this host has yet to prove; three in a row for one that survived here before,
    /// wherever it stood: running, being loaded again at boot, or in a transition that lasts.
    /// </summary>
    private static (AgentState State, string? Blame) Blame(Turn turn, PatchRef patch, bool isProven, string fate)
    {
        var state = turn.State;
        var count = state.Kernel.StrikesOf(patch.ManifestDigest) + 1;
        if (isProven && count < Cadence.MaxCrashes)
            return (state with { Kernel = state.Kernel.WithStrikes(patch.ManifestDigest, count) }, null);
        var blame = isProven ? $"the host went down {count} times in a row soon after the patch was loaded" : fate;
        return (Refusals.Quarantine(turn, patch, blame), blame);
    }

    /// <summary>It has survived a probation on this host, as the last one that did.</summary>
    private static bool IsProven(AgentState state, PatchRef patch) =>
        state.Record.LastGood?.ManifestDigest == patch.ManifestDigest;

    /// <summary>The patch no longer runs: the boot that it ran in is over.</summary>
    private static AgentState Gone(AgentState state, RunningPatch running) => state with
    {
        Kernel = state.Kernel with { Running = null },
        Record = running.WithdrawalReason is null
            ? state.Record
            : state.Record.WithoutGood(running.Patch.ManifestDigest),
    };

    private static AgentState Forgiven(AgentState state, PatchRef patch) =>
        state with { Kernel = state.Kernel.Forgiving(patch.ManifestDigest) };

    /// <summary>
    /// A load or a transition that the end of its boot cut short. What ran beside it comes first, if the patch is not
    /// to blame for that end.
    /// </summary>
    private static Step.Believe AfterUnfinishedLoad(Turn turn, Phase.InKernel phase)
    {
        var (state, patch) = (turn.State, phase.Patch);
        var sameKernel = patch.KernelRelease == turn.Host.KernelRelease;
        if (EndedCleanly(turn))
        {
            state = Forgiven(state, patch);
            if (state.Kernel.Running is { } beside) state = Forgiven(state, beside.Patch);
        }
        else
        {
            var fate = phase is Phase.Loading
                ? "the host went down while the patch was being loaded"
                : "the host went down during the patch's transition";
            (state, var blame) = Blame(turn, patch, IsProven(state, patch), fate);
            if (blame is not null)
                return sameKernel ? new Step.Believe(state, blame) : AnotherKernel(turn.After(state));
        }

        if (state.Kernel.Running is { } running && running.BootId != turn.Host.BootId)
        {
            var idle = state.InPhase(Refusals.IdlePhase(state));
            return AfterTheBoot(turn.After(idle), running, Gone(idle, running), blame: null);
        }

        return sameKernel
            ? new Step.Believe(LoadedAgain(state, patch), $"rebooted before {patch.Name} was applied")
            : AnotherKernel(turn.After(state));
    }

    private static (Problem Problem, RefusalOrigin Origin)? WhyNotHere(HostSnapshot host, PatchRef patch)
    {
        if (!host.LivepatchSupported)
            return (Problems.KernelWithoutLivepatch(host.KernelRelease), RefusalOrigin.Kernel);
        return host.KillSwitch == KillSwitch.None ? null : (Problems.SwitchedOff(patch), RefusalOrigin.KillSwitch);
    }

    private static AgentState LoadedAgain(AgentState state, PatchRef patch) => state with
    {
        Pursuit = state.Pursuit with { Phase = new Phase.Downloaded(patch), LoadAttempts = 0, WantedBy = null },
    };

    private static Step.Believe AnotherKernel(Turn turn)
    {
        var (state, host) = (turn.State, turn.Host);
        var conversation = state.Conversation;
        var fresh = state with
        {
            Pursuit = state.Pursuit with { Phase = Refusals.IdlePhase(state), LoadAttempts = 0 },
            Record = state.Record with { LastGood = null },
            Conversation = conversation with
            {
                Assignment = null,
                Catalogue = conversation.Catalogue with { Expires = null },
            },
        };
        return new Step.Believe(fresh, $"booted another kernel, {host.KernelRelease}");
    }
}
