using System.Diagnostics;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;
using ActivityKind = LivepatchAgent.Core.Wire.ActivityKind;

namespace LivepatchAgent.Core.Agent;

/// <summary>What status, metrics and the report to the server say: all of it follows from state, snapshot and the next step.</summary>
public static class Projection
{
    public static PatchState State(AgentState state, HostSnapshot host) => state.Phase switch
    {
        Phase.NotEnrolled or Phase.Enrolling => PatchState.NotEnrolled,
        _ when !host.LivepatchSupported || host.KillSwitch == KillSwitch.Off => PatchState.Unsupported,
        Phase.Transitioning { StallTold: true } => PatchState.Stalled,
        // What is in force stays so while its catalogue is looked at again.
        Phase.Offered p when p.Manifest is null || p.Manifest == state.Running?.Patch.Manifest => AtRest(state, host),
        Phase.Offered { Before: { } r } => Refused(r.Problem.Code),
        Phase.Offered or Phase.Listed or Phase.Downloading or Phase.Downloaded or Phase.Verified or Phase.Cleared or Phase.Loading or Phase.Transitioning => PatchState.Applying,
        Phase.Refused r => Refused(r.Problem.Code),
        Phase.Resting => AtRest(state, host),
        _ => throw new UnreachableException($"phase {state.Phase.GetType().Name}"),
    };

    public static MachineReport Report(AgentState state, HostSnapshot host) => new()
    {
        State = State(state, host),
        Manifest = state.InForce(host)?.Patch.Manifest,
        Version = state.InForce(host)?.Patch.Version,
        Problem = CurrentProblem(state, host),
        Taint = host.Taint,
    };

    /// <param name="step">What is decided for now: it tells whether the agent has come to rest.</param>
    /// <param name="progress">Bytes of a download under way.</param>
    public static AgentStatus Status(AgentState state, HostSnapshot host, Step step, DownloadProgress? progress, string agentVersion, DateTimeOffset now)
    {
        var target = state.Phase is Phase.Refused ? null : state.Phase.Target;
        var shown = state.InForce(host)?.Patch ?? (state.Phase is Phase.Transitioning ? target : null);
        return new AgentStatus
        {
            Schema = AgentStatus.SchemaName,
            Revision = 0,
            At = now,
            AgentVersion = agentVersion,
            Settled = IsSettled(state, host, step),
            Kernel = Kernel(state, host, now),
            Enrolment = state.Enrolment is { } e ? new EnrolmentStatus(e.Server, e.MachineId, e.Since) : null,
            CheckIn = CheckIn(state, host),
            State = State(state, host),
            Activity = Activity(state, host, step, progress, now),
            Patch = shown is null ? null : Patch(shown, state),
            Loaded = host.Patches,
            Problem = CurrentProblem(state, host),
        };
    }

    /// <summary>At rest, told to do nothing, or waiting to try again what failed more than once.</summary>
    private static bool IsSettled(AgentState state, HostSnapshot host, Step step) => step switch
    {
        Step.Rest { Until: var until } when until == DateTimeOffset.MaxValue || host.KillSwitch == KillSwitch.Off => true,
        Step.Rest or Step.Listen => state.AtRest || state.Phase is Phase.Offered { Retry.Failures: > 1 } or Phase.Listed { Retry.Failures: > 1 } or Phase.Downloading { Retry.Failures: > 1 },
        _ => false,
    };

    /// <summary>What is believed and the kernel does not have is on its way back, or about to be told as gone.</summary>
    private static PatchState AtRest(AgentState state, HostSnapshot host) =>
        state.InForce(host) is not null ? PatchState.Applied
        : state.Running is not null ? PatchState.Applying
        : state.Assignment is { Confirmed: true, Manifest: null } ? PatchState.NothingToApply
        : PatchState.NeedsCheck;

    private static PatchState Refused(ProblemCode code) => IsKernelsNo(code) ? PatchState.ApplyFailed : PatchState.Refused;

    /// <summary>The kernel saw the patch and would not have it, or gave it up; else it was refused before.</summary>
    internal static bool IsKernelsNo(ProblemCode code) => code is >= ProblemCode.KernelKeyRejected and <= ProblemCode.KernelError
        or ProblemCode.KernelWithoutLivepatch or ProblemCode.TransitionReversed or ProblemCode.PatchRemovedByHand;

    private static Problem? SwitchedOff(HostSnapshot host) => host.KillSwitch == KillSwitch.Off ? Problems.SwitchedOff() : null;

    private static Problem? CurrentProblem(AgentState state, HostSnapshot host) => state.Phase switch
    {
        Phase.NotEnrolled p => p.Problem ?? SwitchedOff(host),
        Phase.Enrolling p => p.Retry.Problem ?? SwitchedOff(host),
        Phase.Refused p => p.Problem,
        Phase.Transitioning { StallTold: true } p => Problems.Stalled(p.Patch, host, p.Age(host.Uptime, host.At)),
        _ when NothingFresh(state, host) is { } problem => problem,
        Phase.Offered { Retry.Problem: { } problem } => problem,
        Phase.Offered { Before: { } r } => r.Problem,
        Phase.Listed { Retry.Problem: { } problem } => problem,
        Phase.Downloading { Retry.Problem: { } problem } => problem,
        _ when SwitchedOff(host) is { } problem => problem,
        _ when !host.LivepatchSupported => Problems.KernelWithoutLivepatch(host.KernelRelease),
        _ => state.Talk.PinsRetry.Problem ?? state.Talk.WithdrawalRetry.Problem,
    };

    /// <summary>The catalogue that would say so has expired: whoever holds news back cannot do it unseen.</summary>
    private static Problem? NothingFresh(AgentState state, HostSnapshot host) =>
        state.Enrolment is not null && host.KillSwitch != KillSwitch.Off && state.Talk.CatalogueExpires is { } end && host.At - Problems.ClockTolerance > end ? Problems.NothingFresh(end) : null;

    private static KernelStatus Kernel(AgentState state, HostSnapshot host, DateTimeOffset now)
    {
        var until = state.InForce(host)?.Patch.CoveredUntil ?? state.Phase.Target?.CoveredUntil;
        var coverage = !host.LivepatchSupported ? CoverageState.NotCovered
            : until is { } day ? (DateOnly.FromDateTime(now.UtcDateTime) > day ? CoverageState.Ended : CoverageState.Covered)
            : CoverageState.Unknown;
        return new KernelStatus
        {
            Release = host.KernelRelease,
            Architecture = host.Architecture,
            LivepatchSupported = host.LivepatchSupported,
            Lockdown = host.Lockdown,
            Taint = host.Taint,
            TaintFlags = TaintFlags.Letters(host.Taint),
            Coverage = coverage,
            CoveredUntil = until,
        };
    }

    private static CheckInStatus CheckIn(AgentState state, HostSnapshot host) => new()
    {
        Result = state.Talk.Failures > 0 ? CheckInResult.Failed : state.Talk.LastSuccess is null ? CheckInResult.Never : CheckInResult.Succeeded,
        LastAttempt = state.Talk.LastAttempt,
        LastSuccess = state.Talk.LastSuccess,
        Next = state.Enrolment is null || state.Talk.Next == DateTimeOffset.MinValue ? null : state.Talk.Next,
        Listening = host.Listen is ListenState.Open,
        CatalogueExpires = state.Enrolment is null ? null : state.Talk.CatalogueExpires,
        Problem = state.Talk.Problem,
    };

    private static PatchStatus Patch(PatchRef patch, AgentState state)
    {
        var running = state.Running?.Patch.Manifest == patch.Manifest ? state.Running : null;
        return new PatchStatus
        {
            Name = patch.Name,
            Version = patch.Version,
            Notice = patch.Notice,
            Fixes = patch.Fixes,
            Manifest = patch.Manifest,
            Sequence = patch.Sequence,
            AppliedAt = running?.At,
            Withdrawn = running?.Withdrawn,
        };
    }

    private static ActivityStatus? Activity(AgentState state, HostSnapshot host, Step step, DownloadProgress? progress, DateTimeOffset now)
    {
        if (state.Phase is Phase.Transitioning t)
        {
            return new ActivityStatus
            {
                Kind = host.Sight(t.Patch.Name) is PatchSighting.Reverting || step is Step.Reverse ? ActivityKind.Reversing : ActivityKind.WaitingForTasks,
                Since = t.Since == DateTimeOffset.MinValue ? now : t.Since,
                Tasks = host.BlockingTasks.Count > 0 ? host.BlockingTasks : null,
                TaskCount = host.BlockingTaskCount,
            };
        }

        ActivityKind? kind = (step, state.Phase) switch
        {
            (Step.Download, _) or (_, Phase.Downloading) => ActivityKind.Downloading,
            (Step.Verify or Step.Preflight, _) or (_, Phase.Downloaded) => ActivityKind.Verifying,
            (Step.Load, _) or (_, Phase.Verified or Phase.Cleared or Phase.Loading) => ActivityKind.Loading,
            (_, Phase.Enrolling) => ActivityKind.Enrolling,
            (Step.FetchManifest or Step.FetchCatalogue, _) or (_, Phase.Offered or Phase.Listed) => ActivityKind.FetchingManifest,
            (Step.CheckIn, _) => ActivityKind.CheckingIn,
            (Step.RemoveModule, _) => ActivityKind.RemovingOldModule,
            _ => null,
        };
        return kind is { } k ? new ActivityStatus { Kind = k, Since = now, Bytes = progress?.Bytes, TotalBytes = progress?.Total } : null;
    }
}

public sealed record DownloadProgress(long Bytes, long Total);
