using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// The conversation with the server, when nothing is more pressing: a check-in, or opening a held one.
/// </summary>
internal static class CheckIns
{
    public static Advice Of(Turn turn)
    {
        if (turn.State.Enrolment is null || !Talks(turn)) return Advice.Nothing;
        var conversation = turn.State.Conversation;
        var record = conversation.CheckIn;
        var report = Projection.Report(turn.State, turn.Host);
        var hasNews = !IsTheSame(report, record.LastReport) || conversation.Outcomes.Count > 0;
        var reportsNews = hasNews && record.Failures == 0;
        var due = Cadence.IsDue(record.Next, turn.Now, Cadence.LongestWait);
        if (due || (reportsNews && turn.IsDue(record.NewsNotBefore)))
            return new Step.CheckIn(report, conversation.Outcomes, conversation.Assignment?.Tag);
        var next = Advice.At(record.Next);
        return (reportsNews ? next.Or(Advice.At(record.NewsNotBefore)) : next).Or(Hold(turn, report));
    }

    public static AgentState? After(Turn turn, Step.CheckIn step, StepResult result) => result switch
    {
        StepResult.CheckedIn r => Answered(turn, step, r.Assignment),
        StepResult.Failed f => Failed(turn, f.Problem),
        _ => null,
    };

    /// <summary>A held check-in was opened, or could not be.</summary>
    public static AgentState? After(Turn turn, StepResult result) => result switch
    {
        StepResult.Done => Opened(turn),
        StepResult.Failed f => Failed(turn, f.Problem),
        _ => null,
    };

    private static AgentState Opened(Turn turn)
    {
        var conversation = turn.State.Conversation;
        var held = conversation.HeldCall with { Since = turn.Now };
        return turn.State with { Conversation = conversation with { HeldCall = held } };
    }

    /// <summary>
    /// A person wants another look now: what failed is tried, and what was refused is looked at again.
    /// </summary>
    public static Result<AgentState> Refresh(Turn turn)
    {
        if (turn.State.Enrolment is null) return Problems.NotEnrolled();
        if (turn.Host.KillSwitch == KillSwitch.Off) return Problems.SwitchedOff();
        var conversation = turn.State.Conversation;
        // Also while the catalogue is being looked at.
        var isRefused = turn.Phase is Phase.Refused or Phase.Offered { Before: not null };
        return turn.State.InPhase(isRefused ? new Phase.Resting() : AtOnce(turn.Phase)) with
        {
            Conversation = conversation with
            {
                CheckIn = conversation.CheckIn with { Next = turn.Now, Failures = 0 },
                Pins = conversation.Pins with { Retry = conversation.Pins.Retry.AtOnce() },
                Withdrawals = conversation.Withdrawals with { Retry = conversation.Withdrawals.Retry.AtOnce() },
                Assignment = conversation.Assignment is { } a ? a with { Confirmed = false } : null,
            },
        };
    }

    /// <summary>What waits for the network need not wait any longer.</summary>
    public static AgentState NetworkUp(Turn turn)
    {
        var conversation = turn.State.Conversation;
        var failing = conversation.CheckIn.Failures > 0;
        if (!failing && turn.Phase is not Phase.Fetching) return turn.State;
        var next = failing ? conversation.CheckIn with { Next = turn.Now } : conversation.CheckIn;
        return turn.State.InPhase(AtOnce(turn.Phase)) with { Conversation = conversation with { CheckIn = next } };
    }

    /// <summary>
    /// A transition that goes as it should takes a moment; the server hears of it when it is over or stalls.
    /// </summary>
    private static bool Talks(Turn turn) => turn.Phase switch
    {
        Phase.Fetching => true,
        Phase.Transitioning p => p.StallReported,
        _ => turn.State.AtRest,
    };

    private static Advice Hold(Turn turn, MachineReport report)
    {
        var conversation = turn.State.Conversation;
        var canOpen = conversation.CheckIn.Failures == 0 && turn.Host.Listen is ListenState.Off;
        if (!canOpen || conversation.Assignment is not { } known) return Advice.Nothing;
        var notBefore = conversation.HeldCall.NotBefore;
        return turn.IsDue(notBefore) ? new Step.Listen(report, known.Tag) : Advice.At(notBefore);
    }

    /// <summary>By its code alone: the words of a stall count its seconds, and are no news each time.</summary>
    private static bool IsTheSame(MachineReport report, MachineReport? last) =>
        last is not null
        && report with { Problem = null } == last with { Problem = null }
        && report.Problem?.Code == last.Problem?.Code;

    private static AgentState Answered(Turn turn, Step.CheckIn step, Assignment answer)
    {
        var before = turn.State.Conversation;
        var heard = turn.State with
        {
            Conversation = before with
            {
                CheckIn = before.CheckIn with { LastReport = step.Report },
                // What was added while the call was under way stays for the next one.
                Outcomes = [.. before.Outcomes.Where(o => !step.Outcomes.Contains(o))],
            },
        };
        var taken = Assignments.Take(turn.After(heard), answer);
        // A server that answers every report with another assignment would have the two of them talk without a pause.
        var isAnother = before.Assignment is { } known && known.Tag != answer.Tag;
        var reassignments = isAnother ? before.CheckIn.Reassignments + 1 : 0;
        var record = taken.Conversation.CheckIn with
        {
            Reassignments = reassignments,
            NewsNotBefore = turn.Now + Cadence.HoldPause(reassignments, turn.Host.Jitter),
        };
        return taken with { Conversation = taken.Conversation with { CheckIn = record } };
    }

    private static AgentState Failed(Turn turn, Problem problem)
    {
        var record = turn.State.Conversation.CheckIn;
        var failures = record.Failures + 1;
        var failed = record with
        {
            LastAttempt = turn.Now,
            Failures = failures,
            Problem = problem,
            Next = turn.Now + Cadence.Backoff(failures, turn.Host.Jitter),
        };
        return turn.State with { Conversation = turn.State.Conversation with { CheckIn = failed } };
    }

    private static Phase AtOnce(Phase phase) => phase is Phase.Fetching p ? p.With(p.Retry.AtOnce()) : phase;
}
