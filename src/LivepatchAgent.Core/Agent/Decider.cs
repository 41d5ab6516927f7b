using System.Diagnostics;
using LivepatchAgent.Core.Agent.Concerns;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What to do next, from what is believed and what is seen. Pure, synchronous, clockless: a list of concerns, and the
/// rule that the first step any of them wants is done, else the agent rests until the earliest time that any of them
/// names. <see cref="Next"/> decides, <see cref="Begin"/> is what to save before the effect, <see cref="Apply"/> what
/// to believe after it, <see cref="Accept"/> what a command changes.
/// </summary>
public static class Decider
{
    /// <summary>In order of precedence: what this host already runs comes before what it might run.</summary>
    private static readonly Func<Turn, Advice>[] Concerns =
    [
        Probation.Of,
        Enrolments.Of,
        Boots.Of,
        PatchInForce.Of,
        Leftovers.Of,
        StoredFiles.Of,
        HeldAnswers.Of,
        Pins.Of,
        Withdrawals.Of,
        Holds.Over(Assignments.Of),
        Catalogues.Of,
        Manifests.Of,
        Downloads.Of,
        Verifications.Of,
        Preflights.Of,
        Holds.Over(Loads.Of),
        Transitions.Of,
        CheckIns.Of,
    ];

    /// <summary>
    /// With the kill switch at off nothing is touched, and yet what runs well meanwhile has survived.
    /// </summary>
    private static readonly Func<Turn, Advice>[] HandsOff = [Probation.Of];

    public static Step Next(Turn turn)
    {
        var advice = Advice.Nothing;
        foreach (var concern in turn.Host.KillSwitch == KillSwitch.Off ? HandsOff : Concerns)
        {
            advice = advice.Or(concern(turn));
            if (advice.Step is { } step) return step;
        }

        return new Step.Rest(advice.AskAgain);
    }

    /// <summary>
    /// What to save before the effect, so that a daemon that dies in it resumes rightly, and a boot that ends in it is
    /// judged rightly.
    /// </summary>
    public static AgentState Begin(Turn turn, Step step)
    {
        var begun = step is Step.Load load ? Loads.Begin(turn, load) : turn.State;
        return Boots.Begin(turn.After(begun), step);
    }

    /// <summary>What to believe after a step. A result that does not belong to the step is a bug and throws.</summary>
    public static AgentState Apply(Turn turn, Step step, StepResult result) =>
        After(turn, step, result) ?? throw new UnreachableException(
            $"{result.GetType().Name} does not answer {step.GetType().Name} in {turn.Phase.GetType().Name}");

    /// <summary>What a command from outside changes; a problem when it cannot be taken.</summary>
    public static Result<AgentState> Accept(Turn turn, Command command) => command switch
    {
        Command.Enable c => Enrolments.Enable(turn, c),
        Command.Disable => Enrolments.Disable(turn.State),
        Command.Refresh => CheckIns.Refresh(turn),
        Command.NetworkUp => CheckIns.NetworkUp(turn),
        Command.Hold c => Holds.Hold(turn, c),
        Command.Unhold => Holds.Unhold(turn.State),
        Command.ReleaseQuarantine c => Quarantines.Release(turn, c.Name),
        _ => throw new UnreachableException($"command {command.GetType().Name}"),
    };

    /// <summary>
    /// What to save when the daemon is asked to stop: the boot ends cleanly, if it is this boot that the next one will
    /// ask about.
    /// </summary>
    public static AgentState Stopped(AgentState state, string bootId) => Boots.Stopped(state, bootId);

    private static AgentState? After(Turn turn, Step step, StepResult result) => step switch
    {
        Step.Enrol => Enrolments.After(turn, result),
        Step.CheckIn s => CheckIns.After(turn, s, result),
        Step.Listen => CheckIns.After(turn, result),
        Step.FetchCatalogue => Catalogues.After(turn, result),
        Step.FetchPins => Pins.After(turn, result),
        Step.FetchWithdrawal s => Withdrawals.After(turn, s, result),
        Step.FetchManifest s => Manifests.After(turn, s, result),
        Step.Download s => Downloads.After(turn, s, result),
        Step.Verify s => Verifications.After(turn, s, result),
        Step.Preflight s => Preflights.After(turn, s, result),
        Step.Load s => Loads.After(turn, s, result),
        Step.Reverse => Transitions.After(turn),
        Step.RemoveModule s => Leftovers.After(turn, s),
        Step.Tidy => StoredFiles.After(turn),
        Step.Rest or Step.Believe => null,
        _ => throw new UnreachableException($"step {step.GetType().Name}"),
    };
}
