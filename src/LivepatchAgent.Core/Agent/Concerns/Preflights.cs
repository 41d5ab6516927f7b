namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// Would this kernel refuse the verified module, or accept it and crash? Asked before the kernel sees it.
/// </summary>
internal static class Preflights
{
    public static Advice Of(Turn turn) => turn.Phase is Phase.Verified p
        ? Loads.UnlessTheKernelHasIt(turn, p.Patch, p.BuildId, new Step.Preflight(p.Patch))
        : Advice.Nothing;

    public static AgentState? After(Turn turn, Step.Preflight step, StepResult result) => result switch
    {
        StepResult.Preflighted r => Judged(turn, step.Patch, r.Report),
        StepResult.Failed { InPassing: true } f => Downloads.Later(turn, step.Patch, turn.BusyAgain(f.Problem)),
        StepResult.Failed f => Refusals.RefuseAndReport(turn, step.Patch, f.Problem, f.Origin),
        _ => null,
    };

    private static AgentState Judged(Turn turn, PatchRef patch, PreflightReport report)
    {
        if (Preflight.Refusal(report, out var inPassing) is not { } problem)
            return turn.State.InPhase(new Phase.Cleared(patch, (turn.Phase as Phase.Verified)?.BuildId));
        return inPassing
            ? Downloads.Later(turn, patch, turn.BusyAgain(problem))
            : Refusals.RefuseAndReport(turn, patch, problem, RefusalOrigin.Host);
    }
}
