using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Who this host's server is: `enable` and `disable`, and the call that a token sets in motion.</summary>
internal static class Enrolments
{
    public static Advice Of(Turn turn)
    {
        if (turn.Phase is Phase.Enrolling enrolling)
            return Advice.When(turn, enrolling.Retry, new Step.Enrol(enrolling.Intent));
        // Disabled meanwhile: without an enrolment there is nobody whose signature counts.
        return turn.State.Enrolment is null && turn.Phase is Phase.OnTheWay ? GivenUp(turn.State) : Advice.Nothing;
    }

    public static AgentState? After(Turn turn, StepResult result) => result switch
    {
        StepResult.Enrolled r => turn.State.InPhase(new Phase.Resting()) with
        {
            Conversation = new Conversation { Enrolment = r.Enrolment },
        },
        StepResult.Failed f when turn.Phase is Phase.Enrolling p => turn.State.InPhase(AfterFailure(turn, p, f)),
        StepResult.Failed => turn.State,
        _ => null,
    };

    public static Result<AgentState> Enable(Turn turn, Command.Enable command)
    {
        if (turn.State.Enrolment is { } known) return Problems.AlreadyEnrolled(known);
        if (turn.Host.KillSwitch == KillSwitch.Off) return Problems.SwitchedOff();
        // A transition is watched to its end, and there is one place to watch from.
        if (turn.Phase is Phase.InKernel p) return Problems.StillSwitching(p.Patch);
        return turn.State.InPhase(new Phase.Enrolling(command.Intent, Retry.Now));
    }

    /// <summary>The kernel keeps what it runs: disabling ends the care, not the patch.</summary>
    public static AgentState Disable(AgentState state)
    {
        var phase = state.Phase is Phase.InKernel ? state.Phase : new Phase.NotEnrolled(null);
        return state.InPhase(phase) with
        {
            Conversation = new Conversation(),
            // Another server counts for itself.
            Record = state.Record with { Floors = new Dictionary<string, Floor>(), SignedTime = null },
        };
    }

    private static Step.Believe GivenUp(AgentState state)
    {
        var idle = state with
        {
            Pursuit = state.Pursuit with { Phase = new Phase.NotEnrolled(null), LoadAttempts = 0 },
        };
        return new Step.Believe(idle, "no longer enrolled: nothing more is loaded");
    }

    private static Phase.Idle AfterFailure(Turn turn, Phase.Enrolling phase, StepResult.Failed failed)
    {
        var failures = phase.Retry.Failures + 1;
        if (!failed.InPassing) return new Phase.NotEnrolled(failed.Problem);
        if (failures >= Cadence.MaxEnrolAttempts)
            return new Phase.NotEnrolled(Problems.GivenUp(failed.Problem, failures));
        var notBefore = turn.Now + Cadence.EnrolBackoff(failures, turn.Host.Jitter);
        return phase with { Retry = new Retry(failures, notBefore, failed.Problem) };
    }
}
