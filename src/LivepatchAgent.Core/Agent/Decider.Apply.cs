using System.Diagnostics;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

public static partial class Decider
{
    /// <summary>What to save before the effect, so that a daemon that dies in it resumes rightly.</summary>
    public static AgentState Begin(AgentState state, Step step, HostSnapshot host) => step switch
    {
        Step.Load load => state with { Phase = new Phase.Loading(load.Patch, host.BootId), LoadAttempts = state.LoadAttempts + 1 },
        Step.Reverse or Step.RemoveModule or Step.Enrol or Step.CheckIn or Step.Listen or Step.FetchCatalogue or Step.FetchPins or Step.FetchManifest
            or Step.FetchWithdrawal or Step.Download or Step.Verify or Step.Preflight or Step.Tidy or Step.Rest or Step.Believe => state,
        _ => throw new UnreachableException($"step {step.GetType().Name}"),
    };

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

        (Step.FetchWithdrawal, StepResult.WithdrawalRead r) => Withdrawn(state, r.Withdrawal),
        // The next catalogue names it again.
        (Step.FetchWithdrawal, StepResult.Failed) => state with { PendingWithdrawal = null },

        (Step.FetchManifest, StepResult.ManifestRead r) => ManifestRead(state, r, host),
        (Step.FetchManifest s, StepResult.Failed f) when state.Phase is Phase.Listed p => f.InPassing
            ? state with { Phase = p with { Retry = Again(p.Retry, f, host, now) } }
            : Refused(state, s.Manifest, null, f.Problem, HappeningKind.Refused, host),

        (Step.Download s, StepResult.Done) => state with { Phase = new Phase.Downloaded(s.Patch) },
        (Step.Download s, StepResult.Failed f) when state.Phase is Phase.Downloading p => f.InPassing
            ? state with { Phase = p with { Retry = Again(p.Retry, f, host, now) } }
            : Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Verify s, StepResult.ModuleVerified r) => state with { Phase = new Phase.Verified(s.Patch with { Signer = r.Module.Signer }, r.Module.Facts.BuildId) },
        // In passing: a file is gone from the store, be it the manifest; fetch it again.
        (Step.Verify s, StepResult.Failed { InPassing: true } f) => state with { Phase = new Phase.Listed(s.Patch.Manifest, Again(Retry.Now, f, host, now)) },
        (Step.Verify s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Preflight s, StepResult.Preflighted r) => Preflighted(state, s.Patch, r.Report, host, now),
        (Step.Preflight s, StepResult.Failed { InPassing: true } f) => Later(state, s.Patch, f, host, now),
        (Step.Preflight s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Refused, host),

        (Step.Load s, StepResult.Done) => Told(state, host, HappeningKind.Loaded, s.Patch.Manifest, null, s.Patch.Manifest + state.LoadAttempts) with
        {
            Phase = new Phase.Transitioning(s.Patch, host.BootId, now, false),
            BusyAnswers = 0,
        },
        (Step.Load s, StepResult.Failed { InPassing: true } f) => Later(state, s.Patch, f, host, now),
        (Step.Load s, StepResult.Failed f) => Refused(state, s.Patch.Manifest, s.Patch, f.Problem, HappeningKind.Failed, host),

        // Whether or not the kernel would reverse it: look what comes of it, and do not ask again at once.
        (Step.Reverse, StepResult.Done or StepResult.Failed) when state.Phase is Phase.Transitioning p => state with { Phase = p with { Since = now } },

        (Step.RemoveModule s, _) when state.Phase is Phase.Loading p => state with { Phase = new Phase.Downloaded(p.Patch), Leftovers = Without(state.Leftovers, s.Name) },
        (Step.RemoveModule s, StepResult.Done or StepResult.Failed) => state with { Leftovers = Without(state.Leftovers, s.Name) },

        (Step.Tidy, _) => state with { Untidy = false },
        _ => throw new UnreachableException($"{result.GetType().Name} does not answer {step.GetType().Name} in {state.Phase.GetType().Name}"),
    };

    /// <summary>What a command from outside changes; a problem when it cannot be taken.</summary>
    public static Result<AgentState> Accept(AgentState state, Command command, HostSnapshot host, DateTimeOffset now) => command switch
    {
        Command.Enable when state.Enrolment is { } known => Problems.AlreadyEnrolled(known),
        Command.Enable or Command.Refresh when host.KillSwitch == KillSwitch.Off => Problems.SwitchedOff(),
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
        },
        Command.Refresh when state.Enrolment is null => Problems.NotEnrolled(),
        Command.Refresh => state with
        {
            Talk = state.Talk with { Next = now, Failures = 0, PinsRetry = state.Talk.PinsRetry with { NotBefore = DateTimeOffset.MinValue } },
            Phase = state.Phase is Phase.Refused ? new Phase.Resting() : RetryNow(state.Phase),
            Assignment = state.Assignment is { } a ? a with { Confirmed = false } : null,
        },
        Command.NetworkUp => state.Talk.Failures == 0 && state.Phase is not (Phase.Offered or Phase.Listed or Phase.Downloading)
            ? state
            : state with { Talk = state.Talk.Failures == 0 ? state.Talk : state.Talk with { Next = now }, Phase = RetryNow(state.Phase) },
        _ => throw new UnreachableException($"command {command.GetType().Name}"),
    };

    private static Phase RetryNow(Phase phase) => phase switch
    {
        Phase.Offered p => p with { Retry = p.Retry with { NotBefore = DateTimeOffset.MinValue } },
        Phase.Listed p => p with { Retry = p.Retry with { NotBefore = DateTimeOffset.MinValue } },
        Phase.Downloading p => p with { Retry = p.Retry with { NotBefore = DateTimeOffset.MinValue } },
        _ => phase,
    };

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
        var phase = state.Phase is Phase.Offered or Phase.Listed or Phase.Downloading && assignment != state.Assignment ? new Phase.Resting() : state.Phase;
        return state with { Talk = talk, Assignment = assignment, Phase = phase };
    }

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

    /// <summary>The catalogue was verified: does it bear out what the server assigned?</summary>
    private static AgentState Confirmed(AgentState state, Catalogue catalogue, HostSnapshot host, DateTimeOffset now)
    {
        if (state.Assignment is not { } assignment) return state with { Phase = new Phase.Resting() };
        var before = (state.Phase as Phase.Offered)?.Before;
        var known = state.FloorFor(host.KernelRelease);
        state = state with
        {
            Floors = With(state.Floors, host.KernelRelease, known with { Catalogue = Math.Max(known.Catalogue, catalogue.Sequence) }),
            // One with a higher number was issued later, so a time that was seen before and is later still was wrong.
            SignedTime = state.SignedTime is { } seen && seen > catalogue.IssuedAt && catalogue.Sequence <= known.Catalogue ? seen : catalogue.IssuedAt,
            Talk = state.Talk with { CatalogueAt = now },
            Assignment = assignment with { Confirmed = true },
            Phase = new Phase.Resting(),
        };
        if (state.Running is { Withdrawn: null } running)
            state = state with { PendingWithdrawal = catalogue.Patches.FirstOrDefault(p => p.Manifest == running.Patch.Manifest)?.Withdrawal };
        if (assignment.Manifest is not { } manifest) return state;
        var entry = catalogue.Patches.FirstOrDefault(p => p.Manifest == manifest);
        if (entry is null) return Refused(state, manifest, null, Problems.NotInCatalogue(manifest, catalogue.Sequence), HappeningKind.Refused, host);
        if (entry.Withdrawal is not null && state.Running?.Patch.Manifest != manifest)
            return Refused(state, manifest, null, Problems.Withdrawn(entry.Version), HappeningKind.Refused, host);
        // What the kernel or somebody on this host said no to stands. What was refused before the kernel saw it may have been
        // the server's fault, and mended there since.
        return before?.Manifest == manifest && Projection.IsKernelsNo(before.Problem.Code)
            ? state with { Phase = before }
            : state;
    }

    /// <summary>
    /// Trust is what it is now for whatever is verified from here on; what the kernel runs stays. A catalogue and a refusal of
    /// before are looked at again, as another key may now speak for them.
    /// </summary>
    private static AgentState Repinned(AgentState state, PinSet pins) => state.Enrolment is not { } enrolment ? state : state with
    {
        Enrolment = enrolment with { PinsVersion = pins.Version, Threshold = pins.Threshold, PublisherCertificates = pins.Publishers, CatalogueCertificates = pins.Catalogue, TlsPins = pins.Tls },
        Talk = state.Talk with { PinsRetry = Retry.Now },
        Assignment = state.Assignment is { } a ? a with { Confirmed = false } : null,
        Phase = state.Phase is Phase.Offered or Phase.Listed or Phase.Downloading ? new Phase.Resting() : state.Phase,
    };

    private static AgentState Withdrawn(AgentState state, PatchWithdrawal withdrawal) =>
        state.Running is { } running && running.Patch.Manifest == withdrawal.Manifest
            ? state with { Running = running with { Withdrawn = withdrawal.Reason }, PendingWithdrawal = null }
            : state with { PendingWithdrawal = null };

    private static AgentState ManifestRead(AgentState state, StepResult.ManifestRead read, HostSnapshot host)
    {
        var patch = PatchRef.Of(read.Manifest);
        if (patch.KernelRelease != host.KernelRelease || read.Manifest.Content.Architecture != host.Architecture)
            return Refused(state, patch.Manifest, patch, Problems.WrongKernel(patch, host), HappeningKind.Refused, host);
        var floor = state.FloorFor(host.KernelRelease).Patch;
        return patch.Sequence < floor && state.Running?.Withdrawn is null && !(state.Running is null && state.LastGood?.Manifest == patch.Manifest)
            ? Refused(state, patch.Manifest, patch, Problems.RolledBack(patch, floor), HappeningKind.Refused, host)
            : state with { Phase = new Phase.Downloading(patch, Retry.Now) };
    }

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
