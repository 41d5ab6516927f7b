using LivepatchAgent.Core.Wire;
using ActivityKind = LivepatchAgent.Core.Wire.ActivityKind;

namespace LivepatchAgent.Core.Agent;

/// <summary>What a person sees the agent do.</summary>
internal static class Activities
{
    public static ActivityStatus? Of(
        AgentState state,
        HostSnapshot host,
        Step step,
        DownloadProgress? progress,
        DateTimeOffset now)
    {
        if (state.Phase is Phase.Transitioning t) return Transition(t, host, step, now);
        if (OthersTransition(state, host, now) is { } others) return others;
        if ((OfStep(step) ?? state.Phase.Activity ?? Beside(step)) is not { } kind) return null;
        return new ActivityStatus { Kind = kind, Since = now, Bytes = progress?.Bytes, TotalBytes = progress?.Total };
    }

    private static ActivityStatus Transition(
        Phase.Transitioning phase,
        HostSnapshot host,
        Step step,
        DateTimeOffset now)
    {
        var reverses = host.Sight(phase.Patch.Name) is PatchSighting.Reverting || step is Step.Reverse;
        var kind = reverses ? ActivityKind.Reversing : ActivityKind.WaitingForTasks;
        return OfTasks(kind, phase.Since == DateTimeOffset.MinValue ? now : phase.Since, host);
    }

    private static ActivityStatus OfTasks(ActivityKind kind, DateTimeOffset since, HostSnapshot host) => new()
    {
        Kind = kind,
        Since = since,
        Tasks = host.BlockingTasks.Count > 0 ? host.BlockingTasks : null,
        TaskCount = host.BlockingTaskCount,
    };

    /// <summary>At rest, and somebody else switches the running patch off or on.</summary>
    private static ActivityStatus? OthersTransition(AgentState state, HostSnapshot host, DateTimeOffset now)
    {
        if (!state.AtRest || state.InForce(host) is not { } running) return null;
        return host.Sight(running.Patch.Name) switch
        {
            PatchSighting.Reverting => OfTasks(ActivityKind.Reversing, now, host),
            PatchSighting.Switching => OfTasks(ActivityKind.WaitingForTasks, now, host),
            _ => null,
        };
    }

    /// <summary>What a step is to people, whatever the phase.</summary>
    private static ActivityKind? OfStep(Step step) => step switch
    {
        Step.Download => ActivityKind.Downloading,
        Step.Verify or Step.Preflight => ActivityKind.Verifying,
        Step.Load => ActivityKind.Loading,
        Step.FetchManifest or Step.FetchCatalogue => ActivityKind.FetchingManifest,
        _ => null,
    };

    /// <summary>What a step is to people where no patch is under way.</summary>
    private static ActivityKind? Beside(Step step) => step switch
    {
        Step.CheckIn => ActivityKind.CheckingIn,
        Step.RemoveModule => ActivityKind.RemovingOldModule,
        _ => null,
    };
}
