namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>The manifest of what is listed: fetched, verified, and for this kernel?</summary>
internal static class Manifests
{
    public static Advice Of(Turn turn) => turn.Phase is Phase.Listed p
        ? Advice.When(turn, p.Retry, new Step.FetchManifest(p.ManifestDigest))
        : Advice.Nothing;

    public static AgentState? After(Turn turn, Step.FetchManifest step, StepResult result) => result switch
    {
        StepResult.ManifestRead r => Read(turn, r),
        StepResult.Failed { InPassing: true } f when turn.Phase is Phase.Listed p =>
            turn.State.InPhase(p.With(turn.Again(p.Retry, f.Problem))),
        StepResult.Failed f => Refusals.RefuseAndReport(turn, step.ManifestDigest, null, f.Problem, f.Origin),
        _ => null,
    };

    /// <summary>
    /// No patch below one that this host has run. A quarantine is no exception, as a server could wait for a crash; but
    /// where the host would go back to on its own, it may also be sent.
    /// </summary>
    private static AgentState Read(Turn turn, StepResult.ManifestRead read)
    {
        var (state, host) = (turn.State, turn.Host);
        var patch = PatchRef.Of(read.Manifest);
        if (patch.KernelRelease != host.KernelRelease || read.Manifest.Content.Architecture != host.Architecture)
            return Refuse(turn, patch, Problems.WrongKernel(patch, host), RefusalOrigin.Host);
        if (Refusals.WhyNever(state.Record, patch) is { } never)
            return Refuse(turn, patch, never.Problem, never.Origin);
        var floor = state.Record.FloorFor(host.KernelRelease).Lowest;
        var isFallback = state.Kernel.Running is null && state.Record.LastGood?.ManifestDigest == patch.ManifestDigest;
        return patch.Sequence < floor && !isFallback
            ? Refuse(turn, patch, Problems.RolledBack(patch, floor), RefusalOrigin.Floor)
            : state.InPhase(new Phase.Downloading(patch, Retry.Now));
    }

    private static AgentState Refuse(Turn turn, PatchRef patch, Problem problem, RefusalOrigin origin) =>
        Refusals.RefuseAndReport(turn, patch, problem, origin);
}
