namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Is the file in the store what its publisher signed?</summary>
internal static class Verifications
{
    public static Advice Of(Turn turn) =>
        turn.Phase is Phase.Downloaded p ? new Step.Verify(p.Patch) : Advice.Nothing;

    public static AgentState? After(Turn turn, Step.Verify step, StepResult result)
    {
        var (pursuit, patch) = (turn.State.Pursuit, step.Patch);
        switch (result)
        {
            case StepResult.ModuleVerified { Module: var module }:
                var signed = patch with { Signer = module.Signer };
                return turn.State.InPhase(new Phase.Verified(signed, module.Facts.BuildId));
            case StepResult.Failed { InPassing: true } f:
                // A file, perhaps the manifest, is missing or unreadable: fetch it again, later each time.
                var retry = turn.Again(new Retry(pursuit.BusyAnswers, DateTimeOffset.MinValue, null), f.Problem);
                var listed = new Phase.Listed(patch.ManifestDigest, retry);
                var tries = pursuit.BusyAnswers + 1;
                return turn.State with { Pursuit = pursuit with { Phase = listed, BusyAnswers = tries } };
            case StepResult.Failed f:
                return Refusals.RefuseAndReport(turn, patch, f.Problem, f.Origin);
            default:
                return null;
        }
    }
}
