namespace LivepatchAgent.Core.Agent;

/// <summary>
/// All that a decision may depend on: what is believed, what was seen, the administrator's settings, the time.
/// </summary>
/// <param name="State">What the agent believes.</param>
/// <param name="Host">One look at kernel and host.</param>
/// <param name="Policy">agent.conf.</param>
/// <param name="Now">The time of the decision; a little later than the look.</param>
public readonly record struct Turn(AgentState State, HostSnapshot Host, AgentPolicy Policy, DateTimeOffset Now)
{
    internal Phase Phase => State.Phase;

    internal RunningPatch? Running => State.Kernel.Running;

    /// <summary>How long the host has run by <see cref="Now"/>.</summary>
    internal TimeSpan Uptime => Host.UptimeAt(Now);

    /// <summary>The same look, after this change of belief.</summary>
    internal Turn After(AgentState state) => this with { State = state };

    internal bool IsDue(DateTimeOffset at) => Cadence.IsDue(at, Now, Cadence.BackoffCap);

    /// <summary>The file or the host is not ready for the patch once more, and when to try again.</summary>
    internal Retry BusyAgain(Problem problem) =>
        Again(new Retry(State.Pursuit.BusyAnswers, DateTimeOffset.MinValue, null), problem);

    /// <summary>One more failure in passing, and when to try again.</summary>
    internal Retry Again(Retry before, Problem problem)
    {
        var failures = before.Failures + 1;
        return new Retry(failures, Now + Cadence.Backoff(failures, Host.Jitter), problem);
    }
}
