using System.Diagnostics;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

public static partial class Decider
{
    /// <summary>What to save before the effect, so that a daemon that dies in it resumes rightly, and a boot that ends in it is judged rightly.</summary>
    public static AgentState Begin(AgentState state, Step step, HostSnapshot host) => step switch
    {
        Step.Load load => state with { Phase = new Phase.Loading(load.Patch, host.BootId), LoadAttempts = state.LoadAttempts + 1 },
        Step.Reverse or Step.RemoveModule or Step.Enrol or Step.CheckIn or Step.Listen or Step.FetchCatalogue or Step.FetchPins or Step.FetchManifest
            or Step.FetchWithdrawal or Step.Download or Step.Verify or Step.Preflight or Step.Tidy or Step.Rest or Step.Believe => state,
        _ => throw new UnreachableException($"step {step.GetType().Name}"),
    } with { StoppedCleanly = IsStillClean(state, step, host) };

    /// <summary>What to believe after a step. A result that does not belong to the step is a bug and throws.</summary>
    public static AgentState Apply(AgentState state, Step step, StepResult result, HostSnapshot host, DateTimeOffset now) => (step, result) switch
    {
        (Step.Enrol, StepResult.Enrolled r) => state with
        {
            Enrolment = r.Enrolment,
            Phase = new Phase.Resting(),
            Assignment = null,
            Talk = new TalkState(),
            Outcomes = [],
        },
        (Step.Enrol, StepResult.Failed f) => EnrolFailed(state, f, host, now),

        (Step.CheckIn c, StepResult.CheckedIn r) => CheckedIn(state, c, r.Assignment, host, now),
        (Step.CheckIn, StepResult.Failed f) => TalkFailed(state, f.Problem, host, now),
        (Step.Listen, StepResult.Done) => state with { Talk = state.Talk with { HeldSince = now } },
        (Step.Listen, StepResult.Failed f) => TalkFailed(state, f.Problem, host, now),

        (Step.FetchCatalogue, StepResult.CatalogueRead r) => Confirmed(state, r.Catalogue.Content, host, now),
        (Step.FetchCatalogue, StepResult.Failed f) when state.Phase is Phase.Offered p => state with { Phase = p with { Retry = Again(p.Retry, f, host, now) } },

        (Step.FetchPins, StepResult.PinsRead r) => Repinned(state, r.Pins.Content),
        (Step.FetchPins, StepResult.Failed f) => state with { Talk = state.Talk with { PinsRetry = Again(state.Talk.PinsRetry, f, host, now) } },

        (Step.FetchWithdrawal s, StepResult.WithdrawalRead r) => Withdrawn(state, s, r.Withdrawal),
        // One that cannot be had does not stand before the others.
        (Step.FetchWithdrawal s, StepResult.Failed { InPassing: true } f) => state with
        {
            PendingWithdrawals = [.. state.PendingWithdrawals.OrderBy(p => p.Manifest == s.Manifest)],
            Talk = state.Talk with { WithdrawalRetry = Again(state.Talk.WithdrawalRetry, f, host, now) },
        },
        // The next catalogue names it again.
        (Step.FetchWithdrawal s, StepResult.Failed) => Fetched(state, s),

        (Step.FetchManifest, StepResult.ManifestRead r) => ManifestRead(state, r, host),
        (Step.FetchManifest s, StepResult.Failed f) when state.Phase is Phase.Listed p => f.InPassing
            ? state with { Phase = p with { Retry = Again(p.Retry, f, host, now) } }
            : Refused(state, s.Manifest, null, f.Problem, HappeningKind.Refused, host),

        (Step.Download s, StepResult.Done) => state with { Phase = new Phase.Downloaded(s.Patch) },
        (Step.Download s, StepResult.Failed f) when state.Phase is Phase.Downloading p => f.InPassing
            ? state with { Phase = p with { Retry = Again(p.Retry, f, host, now) } }
            : Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Verify s, StepResult.ModuleVerified r) => state with { Phase = new Phase.Verified(s.Patch with { Signer = r.Module.Signer }, r.Module.Facts.BuildId) },
        // In passing: a file is gone from the store or cannot be read, be it the manifest; fetch it again, more slowly each time.
        (Step.Verify s, StepResult.Failed { InPassing: true } f) => state with
        {
            Phase = new Phase.Listed(s.Patch.Manifest, Again(new Retry(state.BusyAnswers, DateTimeOffset.MinValue, null), f, host, now)),
            BusyAnswers = state.BusyAnswers + 1,
        },
        (Step.Verify s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Preflight s, StepResult.Preflighted r) => Preflighted(state, s.Patch, r.Report, host, now),
        (Step.Preflight s, StepResult.Failed { InPassing: true } f) => Later(state, s.Patch, f, host, now),
        (Step.Preflight s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Load s, StepResult.Done) => Told(state, host, HappeningKind.Loaded, s.Patch.Manifest, null, s.Patch.Manifest + state.LoadAttempts) with
        {
            Phase = new Phase.Transitioning(s.Patch, host.BootId, now, false, host.UptimeAt(now)),
            BusyAnswers = 0,
        },
        (Step.Load s, StepResult.Failed { InPassing: true } f) => Later(state, s.Patch, f, host, now),
        (Step.Load s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Failed, host),

        // Whether or not the kernel would reverse it: look what comes of it, and do not ask again at once.
        (Step.Reverse, StepResult.Done or StepResult.Failed) when state.Phase is Phase.Transitioning p => state with { Phase = p with { Since = now, Uptime = host.UptimeAt(now) } },

        (Step.RemoveModule s, _) when state.Phase is Phase.Loading p => Forgotten(state, s.Name) with { Phase = new Phase.Downloaded(p.Patch) },
        (Step.RemoveModule s, StepResult.Done or StepResult.Failed) => Forgotten(state, s.Name),

        (Step.Tidy, _) => state with { Untidy = false },
        _ => throw new UnreachableException($"{result.GetType().Name} does not answer {step.GetType().Name} in {state.Phase.GetType().Name}"),
    };

    /// <summary>What a command from outside changes; a problem when it cannot be taken.</summary>
    public static Result<AgentState> Accept(AgentState state, Command command, HostSnapshot host, DateTimeOffset now) => command switch
    {
        Command.Enable when state.Enrolment is { } known => Problems.AlreadyEnrolled(known),
        Command.Enable or Command.Refresh when host.KillSwitch == KillSwitch.Off => Problems.SwitchedOff(),
        // It is watched to its end, and there is one place to watch from.
        Command.Enable when state.Phase is Phase.Loading or Phase.Transitioning => Problems.StillSwitching(state.Phase.Target!),
        Command.Enable c => state with { Phase = new Phase.Enrolling(c.Intent, Retry.Now) },
        // The kernel keeps what it runs: disabling ends the care, not the patch.
        Command.Disable => state with
        {
            Phase = state.Phase is Phase.Transitioning or Phase.Loading ? state.Phase : new Phase.NotEnrolled(null),
            Enrolment = null,
            Assignment = null,
            Talk = new TalkState(),
            Outcomes = [],
            // Another server counts for itself.
            Floors = new Dictionary<string, Floor>(),
            SignedTime = null,
            PendingWithdrawals = [],
            AskedBy = null,
        },
        Command.Refresh when state.Enrolment is null => Problems.NotEnrolled(),
        Command.Refresh => state with
        {
            Talk = state.Talk with { Next = now, Failures = 0, PinsRetry = AtOnce(state.Talk.PinsRetry), WithdrawalRetry = AtOnce(state.Talk.WithdrawalRetry) },
            // Whoever asks lifts what was said no to before, also while the catalogue is being looked at.
            Phase = state.Phase is Phase.Refused or Phase.Offered { Before: not null } ? new Phase.Resting() : RetryNow(state.Phase),
            Assignment = state.Assignment is { } a ? a with { Confirmed = false } : null,
        },
        Command.NetworkUp => state.Talk.Failures == 0 && state.Phase is not (Phase.Offered or Phase.Listed or Phase.Downloading)
            ? state
            : state with { Talk = state.Talk.Failures == 0 ? state.Talk : state.Talk with { Next = now }, Phase = RetryNow(state.Phase) },
        _ => throw new UnreachableException($"command {command.GetType().Name}"),
    };

    private static Phase RetryNow(Phase phase) => phase switch
    {
        Phase.Offered p => p with { Retry = AtOnce(p.Retry) },
        Phase.Listed p => p with { Retry = AtOnce(p.Retry) },
        Phase.Downloading p => p with { Retry = AtOnce(p.Retry) },
        _ => phase,
    };

    private static Retry AtOnce(Retry retry) => retry with { NotBefore = DateTimeOffset.MinValue };

    private static AgentState EnrolFailed(AgentState state, StepResult.Failed failed, HostSnapshot host, DateTimeOffset now)
    {
        if (state.Phase is not Phase.Enrolling p) return state;
        var failures = p.Retry.Failures + 1;
        return failed.InPassing && failures < Cadence.MaxEnrolAttempts
            ? state with { Phase = p with { Retry = new Retry(failures, now + Cadence.EnrolBackoff(failures, host.Jitter), failed.Problem) } }
            : state with { Phase = new Phase.NotEnrolled(failed.InPassing ? Problems.GivenUp(failed.Problem, failures) : failed.Problem) };
    }

    private static AgentState CheckedIn(AgentState state, Step.CheckIn step, Assignment answer, HostSnapshot host, DateTimeOffset now)
    {
        var heard = state with
        {
            Talk = state.Talk with { Told = step.Report },
            // What was added while the call was under way stays for the next one.
            Outcomes = [.. state.Outcomes.Where(o => !step.Outcomes.Contains(o))],
        };
        // A server that answers every report with another assignment would have the two of them talk without a pause.
        var reassigned = state.Assignment is { } known && known.Tag != answer.Tag ? state.Talk.Reassigned + 1 : 0;
        var assigned = Assigned(heard, answer, host, now);
        return assigned with { Talk = assigned.Talk with { Reassigned = reassigned, NewsNotBefore = now + Cadence.HoldPause(reassigned, host.Jitter) } };
    }

    private static AgentState Assigned(AgentState state, Assignment answer, HostSnapshot host, DateTimeOffset now)
    {
        var interval = TimeSpan.FromSeconds(Math.Clamp(answer.CheckInSeconds, 60, 7 * 86400));
        var talk = state.Talk with { LastAttempt = now, LastSuccess = now, Failures = 0, Problem = Problems.ClockFarOff(answer.Now, now) ?? Problems.ClockSetBack(state.SignedTime, now), Next = now + Cadence.CheckIn(interval, host.Jitter), PinsOffered = answer.PinsVersion ?? 0 };
        if (talk.PinsOffered <= (state.Enrolment?.PinsVersion ?? 0)) talk = talk with { PinsRetry = Retry.Now };
        var stale = talk.CatalogueAt is not { } seen || Cadence.IsDue(seen + Cadence.CatalogueAge, now, Cadence.CatalogueAge);
        var assignment = state.Assignment is { } known && known.Tag == answer.Tag && known.Manifest == answer.Manifest
            ? known with { CheckInSeconds = answer.CheckInSeconds, Confirmed = known.Confirmed && !stale }
            : new AssignmentRef(answer.Tag, answer.Manifest, false, answer.CheckInSeconds);
        // A new word of the server overrides a way that has not reached the kernel yet.
        var phase = assignment != state.Assignment ? TurnedBack(state.Phase) : state.Phase;
        // Whoever asked for another look did not ask for what is offered later.
        return state with { Talk = talk, Assignment = assignment, Phase = phase, AskedBy = assignment.Manifest == state.Assignment?.Manifest ? state.AskedBy : null };
    }

    /// <summary>Off a way that has not reached the kernel; a refusal that was being looked at again stands.</summary>
    private static Phase TurnedBack(Phase phase) => phase switch
    {
        Phase.Offered { Before: { } refused } => refused,
        Phase.Offered or Phase.Listed or Phase.Downloading => new Phase.Resting(),
        _ => phase,
    };

    private static AgentState TalkFailed(AgentState state, Problem problem, HostSnapshot host, DateTimeOffset now)
    {
        var failures = state.Talk.Failures + 1;
        return state with { Talk = state.Talk with { LastAttempt = now, Failures = failures, Problem = problem, Next = now + Cadence.Backoff(failures, host.Jitter) } };
    }

    private static AgentState HoldEnded(AgentState state, HostSnapshot host, DateTimeOffset now)
    {
        var shorts = state.Talk.HeldSince is { } since && now - since < Cadence.ShortestHold ? state.Talk.ShortHolds + 1 : 0;
        return state with { Talk = state.Talk with { HeldSince = null, ShortHolds = shorts, HoldNotBefore = now + Cadence.HoldPause(shorts, host.Jitter) } };
    }

    /// <summary>Lines break without anybody's fault; whether the server is away, a plain check-in tells soon.</summary>
    private static AgentState HoldBroken(AgentState state, HostSnapshot host, DateTimeOffset now) =>
        state with { Talk = state.Talk with { Next = Earlier(state.Talk.Next, now + Cadence.Backoff(Math.Max(1, state.Talk.ShortHolds), host.Jitter)) } };

    private static AgentState Preflighted(AgentState state, PatchRef patch, PreflightReport report, HostSnapshot host, DateTimeOffset now)
    {
        if (Preflight.Refusal(report, out var inPassing) is not { } problem) return state with { Phase = new Phase.Cleared(patch, (state.Phase as Phase.Verified)?.BuildId) };
        return inPassing ? Later(state, patch, new StepResult.Failed(problem, InPassing: true), host, now) : Refused(state, patch.Manifest, patch, problem, HappeningKind.Refused, host);
    }

    /// <summary>The file is there: after the pause it is verified anew, and asked for once more.</summary>
    private static AgentState Later(AgentState state, PatchRef patch, StepResult.Failed failed, HostSnapshot host, DateTimeOffset now) => state with
    {
        Phase = new Phase.Downloading(patch, Again(new Retry(state.BusyAnswers, DateTimeOffset.MinValue, null), failed, host, now)),
        BusyAnswers = state.BusyAnswers + 1,
        LoadAttempts = 0,
    };

    private static Retry Again(Retry before, StepResult.Failed failed, HostSnapshot host, DateTimeOffset now) =>
        new(before.Failures + 1, now + Cadence.Backoff(before.Failures + 1, host.Jitter), failed.Problem);
}
