namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>The module's bytes, until all are in the store.</summary>
internal static class Downloads
{
    public static Advice Of(Turn turn) =>
        turn.Phase is Phase.Downloading p ? Advice.When(turn, p.Retry, new Step.Download(p.Patch)) : Advice.Nothing;

    public static AgentState? After(Turn turn, Step.Download step, StepResult result) => result switch
    {
        StepResult.Done => turn.State.InPhase(new Phase.Downloaded(step.Patch)),
        StepResult.Downloaded d => turn.State.InPhase(new Phase.Downloaded(step.Patch, d.InPieces && !IsSecond(turn))),
        StepResult.Failed { InPassing: true } f when turn.Phase is Phase.Downloading p =>
            turn.State.InPhase(p.With(turn.Again(p.Retry, f.Problem))),
        StepResult.Failed f => Refusals.RefuseAndReport(turn, step.Patch, f.Problem, f.Origin),
        _ => null,
    };

    /// <summary>The file is there: after a pause it is verified again, and the kernel asked once more.</summary>
    public static AgentState Later(Turn turn, PatchRef patch, Retry retry)
    {
        var pursuit = turn.State.Pursuit;
        return turn.State with
        {
            Pursuit = pursuit with
            {
                Phase = new Phase.Downloading(patch, retry),
                BusyAnswers = pursuit.BusyAnswers + 1,
                LoadAttempts = 0,
            },
        };
    }

    private static bool IsSecond(Turn turn) => turn.Phase is Phase.Downloading { SecondFetch: true };
}
