namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Is the file in the store what its publisher signed?</summary>
internal static class Verifications
{
    public static Advice Of(Turn turn) =>
        turn.Phase is Phase.Downloaded p ? new Step.Verify(p.Patch) : Advice.Nothing;

    public static AgentState? After(Turn turn, Step.Verify step, StepResult result)
    {
        var patch = step.Patch;
        switch (result)
        {
            case StepResult.ModuleVerified { Module: var module }:
                var signed = patch with { Signer = module.Signer };
                return turn.State.InPhase(new Phase.Verified(signed, module.Facts.BuildId));
            case StepResult.Failed { InPassing: true } f:
                // A file, perhaps the manifest, is missing or unreadable: fetch it again, later each time.
                return Again(turn, new Phase.Listed(patch.ManifestDigest, turn.BusyAgain(f.Problem)));
            case StepResult.Failed { IsFileDropped: true } f when turn.Phase is Phase.Downloaded { InPieces: true }:
                return Again(turn, new Phase.Downloading(patch, turn.BusyAgain(f.Problem), SecondFetch: true));
            case StepResult.Failed f:
                return Refusals.RefuseAndReport(turn, patch, f.Problem, f.Origin);
            default:
                return null;
        }
    }

    private static AgentState Again(Turn turn, Phase phase)
    {
        var pursuit = turn.State.Pursuit;
        return turn.State with { Pursuit = pursuit with { Phase = phase, BusyAnswers = pursuit.BusyAnswers + 1 } };
    }
}
