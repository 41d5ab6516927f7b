using System.Diagnostics;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>finit_module, and what became of one whose answer nobody heard.</summary>
internal static class Loads
{
    public static Advice Of(Turn turn) => turn.Phase switch
    {
        Phase.Cleared p => UnlessTheKernelHasIt(turn, p.Patch, p.BuildId, new Step.Load(p.Patch)),
        Phase.Loading p when p.BootId == turn.Host.BootId => Interrupted(turn, p.Patch),
        _ => Advice.Nothing,
    };

    /// <summary>The intent: a boot that ends from here on finds it.</summary>
    public static AgentState Begin(Turn turn, Step.Load step)
    {
        var pursuit = turn.State.Pursuit;
        var loading = new Phase.Loading(step.Patch, turn.Host.BootId);
        return turn.State with { Pursuit = pursuit with { Phase = loading, LoadAttempts = pursuit.LoadAttempts + 1 } };
    }

    public static AgentState? After(Turn turn, Step.Load step, StepResult result) => result switch
    {
        StepResult.Done => Loaded(turn, step.Patch),
        StepResult.Failed { InPassing: true } f => Downloads.Later(turn, step.Patch, BusyAgain(turn, f.Problem)),
        StepResult.Failed f => Refusals.RefuseAndReport(turn, step.Patch, f.Problem, RefusalOrigin.Kernel),
        _ => null,
    };

    /// <summary>The file is believed and held open: go on with it, unless the kernel has the patch already.</summary>
    public static Advice UnlessTheKernelHasIt(Turn turn, PatchRef patch, string? buildId, Step next)
    {
        var (state, host) = (turn.State, turn.Host);
        if (host.KillSwitch == KillSwitch.Observe)
            return Refusals.RefuseQuietly(turn, patch, Problems.SwitchedOff(patch), RefusalOrigin.KillSwitch);
        // Asked once more where every way to a load comes by, so that no way can forget it.
        if (Refusals.WhyNever(state.Record, patch) is { } never)
            return Refusals.RefuseQuietly(turn, patch, never.Problem, never.Origin);
        return host.Sight(patch.Name) switch
        {
            PatchSighting.Absent => next,
            // Only a module that we left behind is ours to remove; anybody else's stays.
            PatchSighting.Lingering when IsOurs(turn, patch.Name) => new Step.RemoveModule(patch.Name),
            PatchSighting.Lingering or PatchSighting.Disabled =>
                Taken(turn, patch, "a module of this name is loaded that patches nothing"),
            PatchSighting.Switching or PatchSighting.Running or PatchSighting.Reverting =>
                IsTheSame(host, patch.Name, buildId)
                    ? Adopted(turn, patch)
                    : Taken(turn, patch, "a different livepatch of this name is loaded"),
            _ => throw new UnreachableException(),
        };
    }

    private static AgentState Loaded(Turn turn, PatchRef patch)
    {
        var about = patch.ManifestDigest + turn.State.Pursuit.LoadAttempts;
        var reported = Refusals.Report(turn, OutcomeKind.Loaded, patch.ManifestDigest, null, about);
        var begun = new Phase.Transitioning(patch, turn.Host.BootId, turn.Now, StallReported: false, turn.Uptime);
        return reported with { Pursuit = reported.Pursuit with { Phase = begun, BusyAnswers = 0 } };
    }

    /// <summary>The kernel is busy: another transition, as a rule one of seconds.</summary>
    private static Retry BusyAgain(Turn turn, Problem problem)
    {
        var failures = turn.State.Pursuit.BusyAnswers + 1;
        return new Retry(failures, turn.Now + Cadence.LoadPause(failures, turn.Host.Jitter), problem);
    }

    /// <summary>Only a daemon that died between finit_module's journal entry and its answer comes here.</summary>
    private static Advice Interrupted(Turn turn, PatchRef patch)
    {
        var (state, host) = (turn.State, turn.Host);
        switch (host.Sight(patch.Name))
        {
            case PatchSighting.Switching or PatchSighting.Running or PatchSighting.Reverting or PatchSighting.Disabled:
                var begun = new Phase.Transitioning(patch, host.BootId, turn.Now, StallReported: false, turn.Uptime);
                return new Step.Believe(state.InPhase(begun), "the kernel took the patch before the daemon ended");
            case PatchSighting.Lingering:
                return new Step.RemoveModule(patch.Name);
            case PatchSighting.Absent:
                var attempts = state.Pursuit.LoadAttempts;
                if (attempts >= turn.Policy.MaxLoadAttempts)
                    return GivenUp(turn, patch, attempts);
                var again = state.InPhase(new Phase.Downloaded(patch));
                return new Step.Believe(again, "the daemon ended before the kernel took the patch");
            default:
                throw new UnreachableException();
        }
    }

    private static Step.Believe Adopted(Turn turn, PatchRef patch)
    {
        var boot = turn.Host.BootId;
        var reported = Refusals.Report(turn, OutcomeKind.Adopted, patch.ManifestDigest, null, boot);
        // When it began is not known.
        var watched = new Phase.Transitioning(patch, boot, DateTimeOffset.MinValue, StallReported: false);
        return new Step.Believe(reported.InPhase(watched), $"the kernel has {patch.Name} already");
    }

    private static Step.Believe GivenUp(Turn turn, PatchRef patch, int attempts) =>
        Refusals.RefuseQuietly(turn, patch, Problems.LoadNeverEnded(patch, attempts), RefusalOrigin.Kernel);

    private static Step.Believe Taken(Turn turn, PatchRef patch, string why) =>
        Refusals.RefuseQuietly(turn, patch, Problems.NameTaken(patch, why), RefusalOrigin.Kernel);

    private static bool IsOurs(Turn turn, string name) =>
        turn.State.Kernel.Leftovers.Contains(name) && turn.Host.Modules[name].References == 0;

    private static bool IsTheSame(HostSnapshot host, string name, string? buildId) =>
        buildId is not null && host.Modules.GetValueOrDefault(name)?.BuildId == buildId;
}
