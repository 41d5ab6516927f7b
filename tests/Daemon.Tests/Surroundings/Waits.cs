using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>What several tests wait for.</summary>
internal static class Waits
{
    public static Task<AgentStatus> InTransitionAsync(this HostUnderTest host) => host.UntilAsync(
        "in transition", s => s.Activity?.Kind == ActivityKind.WaitingForTasks, timePasses: false);

    /// <summary>The first status at rest that shows a problem.</summary>
    public static Task<AgentStatus> ProblemAsync(this HostUnderTest host) =>
        host.UntilAsync("reported", s => s.Settled && s.Problem is not null);
}
