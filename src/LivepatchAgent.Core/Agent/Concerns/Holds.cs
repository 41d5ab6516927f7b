namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// The administrator's word "keep what runs". A held host still hears of a new patch and reads its manifest, so that
/// it can say what is available; it turns back there. What ran here is loaded again after a reboot, and a transition
/// that the kernel has begun is watched to its end.
/// </summary>
internal static class Holds
{
    public static AgentState Hold(Turn turn, Command.Hold command) => turn.State.Record.Hold is null
        ? With(turn.State, new Hold(command.By, turn.Now))
        : turn.State;

    public static AgentState Unhold(AgentState state) => state.Record.Hold is null ? state : With(state, null);

    /// <summary>
    /// This concern, unless a hold keeps out what it would begin. It stands over the one that begins the way to a load,
    /// and once more over the one that loads, so that no way around the first can end in the kernel.
    /// </summary>
    public static Func<Turn, Advice> Over(Func<Turn, Advice> concern) => turn => KeptOut(turn) ?? concern(turn);

    /// <summary>The patch on its way is one that ran here: the agent loads it again, and nobody asked for it.</summary>
    public static bool IsReload(AgentState state) =>
        state.Record.Hold is not null && state.Phase is Phase.OnTheWay && state.Pursuit.WantedBy is null;

    /// <summary>The host is held, and the server assigns this patch, which is not loaded for that.</summary>
    public static PatchRef? Available(AgentState state)
    {
        if (state.Record.Hold?.Available is not { } patch) return null;
        var assigned = state.Conversation.Assignment?.ManifestDigest == patch.ManifestDigest;
        var refused = state.Phase is Phase.Refused p && p.ManifestDigest == patch.ManifestDigest;
        var runs = state.Kernel.Running?.Patch.ManifestDigest == patch.ManifestDigest;
        // On its way back before that: what is kept out turns round before its module is at hand.
        var returns = state.Phase is Phase.AtHand or Phase.InKernel;
        var isUnderWay = returns && state.Phase.Target?.ManifestDigest == patch.ManifestDigest;
        return assigned && !refused && !runs && !isUnderWay ? patch : null;
    }

    private static Advice? KeptOut(Turn turn)
    {
        if (turn.State.Record.Hold is not { } hold) return null;
        // Before that, only what is said of the patch is looked at.
        if (turn.Phase is Phase.OnTheWay { Target: { } target })
        {
            if (!KeepsOut(turn, target.ManifestDigest)) return null;
            return TurnedBack(turn.State, hold, target);
        }

        var assigned = turn.State.Conversation.Assignment is { Confirmed: true } a ? a.ManifestDigest : null;
        if (!turn.State.AtRest || assigned is null || assigned != hold.Available?.ManifestDigest) return null;
        if (!KeepsOut(turn, assigned)) return null;
        return turn.Phase is Phase.Refused refused && refused.ManifestDigest != assigned
            ? new Step.Believe(turn.State.InPhase(new Phase.Resting()), "what was refused is no longer assigned")
            : Advice.Nothing;
    }

    /// <summary>
    /// A held host loads nothing but what it ran: what the agent brings back itself, and, where nothing runs, what ran
    /// last or is the last good patch.
    /// </summary>
    private static bool KeepsOut(Turn turn, string manifest)
    {
        var state = turn.State;
        if (state.Record.Hold is null || IsReload(state)) return false;
        if (turn.Running is { } running) return running.Patch.ManifestDigest != manifest;
        var ranLast = state.Record.FloorFor(turn.Host.KernelRelease).Patches.MaxBy(p => p.Sequence)?.ManifestDigest;
        return manifest != ranLast && manifest != state.Record.LastGood?.ManifestDigest;
    }

    private static Step.Believe TurnedBack(AgentState state, Hold hold, PatchRef patch)
    {
        var informed = With(state, hold with { Available = patch });
        var rests = informed with
        {
            Pursuit = informed.Pursuit with { Phase = Refusals.IdlePhase(state), LoadAttempts = 0, Untidy = true },
        };
        return new Step.Believe(rests, $"this host is held: {patch.Name} is available and is not loaded");
    }

    private static AgentState With(AgentState state, Hold? hold) =>
        state with { Record = state.Record with { Hold = hold } };
}
