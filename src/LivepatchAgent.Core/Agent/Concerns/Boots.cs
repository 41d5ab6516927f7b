namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// The crash guard. How a boot ended is judged once, by the next one, before anything else; then what ran is loaded again,
/// or the patch that ended the host is quarantined.
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
    /// A boot that finds no clean stop was a crash, from the first turn on that did more than to judge the one before. A load
    /// is never begun under the word "clean", whatever else is believed.
    /// </summary>
    public static AgentState Begin(Turn turn, Step step)
    {
        var onlyJudges = step is Step.Believe || !HasJudgedTheBoot(turn.State, turn.Host.BootId);
        var clean = turn.State.Kernel.StoppedCleanly && step is not Step.Load && onlyJudges;
        return turn.State with { Kernel = turn.State.Kernel with { StoppedCleanly = clean } };
    }

    public static AgentState Stopped(AgentState state, string bootId)
    {
        var clean = state.Kernel.StoppedCleanly || HasJudgedTheBoot(state, bootId);
        return state with { Kernel = state.Kernel with { StoppedCleanly = clean } };
    }

    /// <summary>
    /// False while the state still describes an earlier boot (no livepatch support, or the kill switch is set): that boot
    /// has not been judged yet, and this one says nothing about a patch it never loaded.
    /// </summary>
    private static bool HasJudgedTheBoot(AgentState state, string bootId)
    {
        var running = state.Kernel.Running?.BootId ?? bootId;
        var loading = (state.Phase as Phase.InKernel)?.BootId ?? bootId;
        return running == bootId && loading == bootId;
    }

    /// <summary>
    /// First how it ended, as nothing else of that boot may be forgotten before; then whether the patch is to be loaded
    /// again.
    /// </summary>
    private static Step.Believe AfterTheBoot(Turn turn, RunningPatch running)
    {
        var patch = running.Patch;
        var (judged, blame) = Judge(turn, running);
        if (patch.KernelRelease != turn.Host.KernelRelease) return AnotherKernel(turn.After(judged));
        if (blame is not null) return new Step.Believe(judged, blame);
        if (judged.Enrolment is null) return new Step.Believe(judged, "rebooted while not enrolled");
        if (running.WithdrawalReason is not null)
        {
            var withdrawn = new Phase.Refused(patch.Manifest, patch, Problems.Withdrawn(patch.Version));
            return new Step.Believe(judged.InPhase(withdrawn), $"rebooted: {patch.Name} was withdrawn and stays out");
        }

        if (WhyNotHere(turn.Host, patch) is { } problem)
            return Refusals.RefuseQuietly(judged, patch.Manifest, problem, patch);
        return new Step.Believe(LoadedAgain(judged, patch), $"rebooted: {patch.Name} is to be loaded again");
    }

    /// <summary>What the end of the boot says of the patch that ran, and the reason when it is to blame.</summary>
    private static (AgentState State, string? Blame) Judge(Turn turn, RunningPatch running)
    {
        var state = turn.State;
        var patch = running.Patch;
        var proven = state.Record.LastGood?.Manifest == patch.Manifest;
        var counts = !state.Kernel.StoppedCleanly && !running.SurvivedProbation && proven;
        var crashes = counts ? state.Kernel.Crashes + 1 : 0;
        var gone = state with
        {
            Kernel = state.Kernel with { Running = null, Crashes = crashes },
            Record = running.WithdrawalReason is null ? state.Record : state.Record.WithoutGood(patch.Manifest),
        };
        if (state.Kernel.StoppedCleanly || (proven && crashes < Cadence.MaxCrashes)) return (gone, null);
        var blame = proven
            ? $"the host went down {crashes} times in a row soon after the patch was loaded"
            : "the host went down while the patch was in its probation";
        var forgiven = gone with { Kernel = gone.Kernel with { Crashes = 0 } };
        return (Refusals.Quarantine(turn.After(forgiven), patch, blame), blame);
    }

    /// <summary>A load or a transition that the end of its boot cut short. What ran beside it comes first, if that end was clean.</summary>
    private static Step.Believe AfterUnfinishedLoad(Turn turn, Phase.InKernel phase)
    {
        var (state, patch) = (turn.State, phase.Patch);
        var sameKernel = patch.KernelRelease == turn.Host.KernelRelease;
        if (!state.Kernel.StoppedCleanly)
        {
            var fate = phase is Phase.Loading
                ? "the host went down while the patch was being loaded"
                : "the host went down during the patch's transition";
            var judged = Refusals.Quarantine(turn, patch, fate);
            return sameKernel ? new Step.Believe(judged, fate) : AnotherKernel(turn.After(judged));
        }

        if (state.Kernel.Running is { } running && running.BootId != turn.Host.BootId)
            return AfterTheBoot(turn.After(state.InPhase(Refusals.IdlePhase(state))), running);
        return sameKernel
            ? new Step.Believe(LoadedAgain(state, patch), $"rebooted before {patch.Name} was applied")
            : AnotherKernel(turn);
    }

    private static Problem? WhyNotHere(HostSnapshot host, PatchRef patch)
    {
        if (!host.LivepatchSupported) return Problems.KernelWithoutLivepatch(host.KernelRelease);
        return host.KillSwitch == KillSwitch.None ? null : Problems.SwitchedOff(patch);
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
