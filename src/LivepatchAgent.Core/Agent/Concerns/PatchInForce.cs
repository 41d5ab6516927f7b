using System.Diagnostics;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>The patch that is believed to run, against what the kernel says: the kernel is right.</summary>
internal static class PatchInForce
{
    public static Advice Of(Turn turn)
    {
        var looksAfterIt = turn.State.AtRest || turn.Phase is Phase.Fetching;
        if (!looksAfterIt || turn.Running is not { } running) return Advice.Nothing;
        return turn.Host.Sight(running.Patch.Name) switch
        {
            PatchSighting.Running => Advice.Nothing,
            // Somebody else's doing, which may take hours.
            PatchSighting.Switching or PatchSighting.Reverting => Advice.At(turn.Now + Cadence.OthersTransition),
            PatchSighting.Absent or PatchSighting.Lingering or PatchSighting.Disabled =>
                RemovedByHand(turn, running.Patch),
            _ => throw new UnreachableException(),
        };
    }

    private static Step.Believe RemovedByHand(Turn turn, PatchRef patch)
    {
        var state = turn.State;
        var gone = state with { Kernel = (state.Kernel with { Running = null }).Leaving(patch) };
        var problem = Problems.RemovedByHand(patch);
        var refused = new Phase.Refused(
            patch.ManifestDigest, patch, problem, RefusalOrigin.Administrator, turn.Host.BootId);
        return new Step.Believe(Refusals.Refuse(gone, refused), $"{patch.Name} was switched off by somebody else");
    }
}
