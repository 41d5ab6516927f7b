using System.Diagnostics;

namespace LivepatchAgent.Core.Agent;

/// <summary>The crash guard: how a boot ended, what the kernel of this one has, and since when it has done well.</summary>
public static partial class Decider
{
    /// <summary>
    /// False while something that a boot before left is still believed, as when this kernel has no livepatch or the kill
    /// switch is set: how that boot ended has yet to count, and the end of this one says nothing of a patch that it did not load.
    /// </summary>
    private static bool HasJudgedTheBoot(AgentState state, string bootId) =>
        (state.Running is not { } running || running.BootId == bootId)
        && (state.Phase switch { Phase.Loading p => p.BootId, Phase.Transitioning p => p.BootId, _ => bootId }) == bootId;

    /// <summary>What to save when the daemon is told to stop: the boot ends cleanly, if it is this boot that the next one will ask about.</summary>
    public static AgentState Stopped(AgentState state, string bootId) => state with { StoppedCleanly = state.StoppedCleanly || HasJudgedTheBoot(state, bootId) };

    /// <summary>
    /// A boot that finds no clean stop was a crash, from the first turn on that did more than to judge the one before. A load
    /// is never begun under the word "clean", whatever else is believed.
    /// </summary>
    private static bool IsStillClean(AgentState state, Step step, HostSnapshot host) =>
        state.StoppedCleanly && step is not Step.Load && (step is Step.Believe || !HasJudgedTheBoot(state, host.BootId));

    /// <summary>The patch we believe in force, against what the kernel says. Null when they agree.</summary>
    private static Step? RunningTruth(AgentState state, HostSnapshot host)
    {
        if (state.Running is not { } running) return null;
        if (running.BootId != host.BootId) return AfterTheBoot(state, running, host);
        var patch = running.Patch;
        return host.Sight(patch.Name) switch
        {
            PatchSighting.Running or PatchSighting.Switching or PatchSighting.Reverting => null,
            PatchSighting.Absent or PatchSighting.Lingering or PatchSighting.Disabled => new Step.Believe(
                Refusing(Left(state with { Running = null }, patch), new Phase.Refused(patch.Manifest, patch, Problems.RemovedByHand(patch))),
                $"{patch.Name} was switched off by somebody else"),
            _ => throw new UnreachableException(),
        };
    }

    /// <summary>First how it ended, as nothing else of that boot may be forgotten before; then whether the patch is to be loaded again.</summary>
    private static Step.Believe AfterTheBoot(AgentState state, RunningPatch running, HostSnapshot host)
    {
        var patch = running.Patch;
        var survived = state.LastGood?.Manifest == patch.Manifest;
        var crashes = state.StoppedCleanly || running.Stood || !survived ? 0 : state.Crashes + 1;
        var gone = state with { Running = null, Crashes = crashes, LastGood = running.Withdrawn is null ? state.LastGood : Other(state.LastGood, patch) };
        string? blame = state.StoppedCleanly || (survived && crashes < Cadence.MaxCrashes)
            ? null
            : survived ? $"the host went down {crashes} times in a row soon after the patch was loaded" : "the host went down while the patch was in its probation";
        if (blame is not null) gone = Quarantine(gone with { Crashes = 0, LastGood = Other(gone.LastGood, patch) }, patch, blame, host);
        if (patch.KernelRelease != host.KernelRelease) return AnotherKernel(gone, host);
        if (blame is not null) return new Step.Believe(gone, blame);
        if (state.Enrolment is null) return new Step.Believe(gone, "rebooted while not enrolled");
        if (running.Withdrawn is not null)
            return new Step.Believe(gone with { Phase = new Phase.Refused(patch.Manifest, patch, Problems.Withdrawn(patch.Version)) }, $"rebooted: {patch.Name} was withdrawn and stays out");
        if (!host.LivepatchSupported || host.KillSwitch != KillSwitch.None)
            return Refuse(gone, patch.Manifest, host.LivepatchSupported ? Problems.SwitchedOff(patch) : Problems.KernelWithoutLivepatch(host.KernelRelease), patch);
        return new Step.Believe(gone with { Phase = new Phase.Downloaded(patch), LoadAttempts = 0, WantedBy = null }, $"rebooted: {patch.Name} is to be loaded again");
    }

    /// <summary>A load or a transition that the end of its boot cut short. What ran beside it comes first, if that end was clean.</summary>
    private static Step AfterReboot(AgentState state, PatchRef patch, HostSnapshot host, string fate)
    {
        if (!state.StoppedCleanly)
        {
            var judged = Quarantine(state, patch, fate, host);
            return patch.KernelRelease == host.KernelRelease ? new Step.Believe(judged, fate) : AnotherKernel(judged, host);
        }

        if (state.Running is { } running && running.BootId != host.BootId) return AfterTheBoot(state with { Phase = Idle(state) }, running, host);
        return patch.KernelRelease == host.KernelRelease
            ? new Step.Believe(state with { Phase = new Phase.Downloaded(patch), LoadAttempts = 0, WantedBy = null }, $"rebooted before {patch.Name} was applied")
            : AnotherKernel(state, host);
    }

    private static Step.Believe AnotherKernel(AgentState state, HostSnapshot host) =>
        new(state with { Phase = Idle(state), LastGood = null, Assignment = null, Talk = state.Talk with { CatalogueExpires = null }, LoadAttempts = 0 }, $"booted another kernel, {host.KernelRelease}");

    private static Step? Probation(AgentState state, HostSnapshot host, AgentPolicy policy, DateTimeOffset now) =>
        OnProbation(state, host) is { } running && running.Age(host.Uptime, now) >= policy.Probation
            ? new Step.Believe(state with { LastGood = running.Patch, Running = running with { Stood = true }, Crashes = 0, Untidy = true }, $"{running.Patch.Name} has survived its probation")
            : null;

    /// <summary>When somebody has to look again for the sake of the probation.</summary>
    private static DateTimeOffset ProbationEnds(AgentState state, HostSnapshot host, AgentPolicy policy, DateTimeOffset now) =>
        OnProbation(state, host) is { } running ? now + policy.Probation - running.Age(host.Uptime, now) : DateTimeOffset.MaxValue;

    /// <summary>Each boot anew: one that survived before is loaded again after a crash, and yet shall not end the host at every boot.</summary>
    private static RunningPatch? OnProbation(AgentState state, HostSnapshot host) => state.InForce(host) is { Stood: false } running ? running : null;
}
