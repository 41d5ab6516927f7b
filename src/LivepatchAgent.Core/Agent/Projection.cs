using System.Diagnostics;
using LivepatchAgent.Core.Agent.Concerns;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;
using ActivityKind = LivepatchAgent.Core.Wire.ActivityKind;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What status, metrics and the report to the server say: all of it follows from state, snapshot and the next step.
/// </summary>
public static class Projection
{
    public static PatchState State(AgentState state, HostSnapshot host)
    {
        if (state.Phase is Phase.NotEnrolled or Phase.Enrolling) return PatchState.NotEnrolled;
        if (!host.LivepatchSupported || host.KillSwitch == KillSwitch.Off) return PatchState.Unsupported;
        return state.Phase switch
        {
            // What is in force stays so while its catalogue is looked at again.
            Phase.Offered p when IsConfirmation(state, p) => AtRest(state, host),
            Phase.Offered { Before: { } r } => Refused(r),
            Phase.Transitioning p when IsStalled(p, host) => PatchState.Stalled,
            Phase.Listed when state.Record.Hold is not null && !Holds.IsReload(state) => AtRest(state, host),
            Phase.OnTheWay or Phase.InKernel => PatchState.Applying,
            Phase.Refused r => Refused(r),
            Phase.Idle => AtRest(state, host),
            _ => throw new UnreachableException($"phase {state.Phase.GetType().Name}"),
        };
    }

    /// <summary>What is in force is looked up in the catalogue again, or no patch is assigned any more.</summary>
    private static bool IsConfirmation(AgentState state, Phase.Offered phase) =>
        phase.ManifestDigest is null || phase.ManifestDigest == state.Kernel.Running?.Patch.ManifestDigest;

    public static MachineReport Report(AgentState state, HostSnapshot host) => new()
    {
        State = State(state, host),
        ManifestDigest = state.InForce(host)?.Patch.ManifestDigest,
        Version = state.InForce(host)?.Patch.Version,
        Problem = CurrentProblem(state, host),
        Taint = host.Taint,
        Held = state.Record.Hold is null ? null : true,
    };

    /// <param name="step">What is decided for now: it shows whether the agent has come to rest.</param>
    /// <param name="progress">Bytes of a download under way.</param>
    public static AgentStatus Status(
        AgentState state,
        HostSnapshot host,
        Step step,
        DownloadProgress? progress,
        string agentVersion,
        DateTimeOffset now)
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
            Activity = Activities.Of(state, host, step, progress, now),
            Patch = shown is null ? null : Patch(shown, state),
            Loaded = host.Patches,
            Problem = CurrentProblem(state, host),
            Hold = Hold(state),
            Quarantine = [.. state.Record.Quarantine.Select(Quarantined)],
        };
    }

    /// <summary>At rest, asked to do nothing, or waiting to try again what failed more than once.</summary>
    private static bool IsSettled(AgentState state, HostSnapshot host, Step step) => step switch
    {
        Step.Rest r when r.Until == DateTimeOffset.MaxValue || host.KillSwitch == KillSwitch.Off => true,
        Step.Rest or Step.Listen => state.AtRest || state.Phase is Phase.Fetching { Retry.Failures: > 1 },
        _ => false,
    };

    /// <summary>
    /// A stall that an earlier boot reported is over, and so is one that the kernel has ended while the disk took no
    /// news.
    /// </summary>
    private static bool IsStalled(Phase.Transitioning phase, HostSnapshot host) =>
        phase.StallReported
        && phase.BootId == host.BootId
        && host.Sight(phase.Patch.Name) is (PatchSighting.Switching or PatchSighting.Reverting);

    /// <summary>
    /// What is believed and the kernel does not have is on its way back, or about to be reported as gone.
    /// </summary>
    private static PatchState AtRest(AgentState state, HostSnapshot host)
    {
        if (state.Kernel.Running is { } running)
        {
            // While somebody else switches it off or on, some tasks run it and some do not.
            var isApplied = state.InForce(host) is not null && host.Sight(running.Patch.Name) is PatchSighting.Running;
            return isApplied ? PatchState.Applied : PatchState.Applying;
        }

        if (Holds.Available(state) is not null) return PatchState.NothingToApply;
        return state.Conversation.Assignment is { Confirmed: true, ManifestDigest: null }
            ? PatchState.NothingToApply
            : PatchState.NeedsCheck;
    }

    private static PatchState Refused(Phase.Refused refused) =>
        refused.Origin.OutlastsACatalogue() ? PatchState.ApplyFailed : PatchState.Refused;

    private static Problem? SwitchedOff(HostSnapshot host) =>
        host.KillSwitch == KillSwitch.Off ? Problems.SwitchedOff() : null;

    private static Problem? CurrentProblem(AgentState state, HostSnapshot host) => state.Phase switch
    {
        Phase.NotEnrolled p => p.Problem ?? SwitchedOff(host),
        Phase.Enrolling p => p.Retry.Problem ?? SwitchedOff(host),
        Phase.Refused p => p.Problem,
        Phase.Transitioning p when IsStalled(p, host) => Problems.Stalled(p.Patch, host, p.Age(host.Uptime, host.At)),
        _ => NothingFresh(state, host) ?? OnTheWay(state.Phase) ?? OfHost(state, host),
    };

    private static Problem? OnTheWay(Phase phase) =>
        phase.Attempts?.Problem ?? (phase as Phase.Offered)?.Before?.Problem;

    private static Problem? OfHost(AgentState state, HostSnapshot host)
    {
        if (SwitchedOff(host) is { } problem) return problem;
        if (!host.LivepatchSupported) return Problems.KernelWithoutLivepatch(host.KernelRelease);
        return state.Conversation.Pins.Retry.Problem ?? state.Conversation.Withdrawals.Retry.Problem;
    }

    /// <summary>The catalogue that would say so has expired: news cannot be held back unseen.</summary>
    private static Problem? NothingFresh(AgentState state, HostSnapshot host)
    {
        if (state.Enrolment is null || host.KillSwitch == KillSwitch.Off) return null;
        return state.Conversation.Catalogue.Expires is { } end && host.At - Problems.ClockTolerance > end
            ? Problems.NothingFresh(end)
            : null;
    }

    private static KernelStatus Kernel(AgentState state, HostSnapshot host, DateTimeOffset now)
    {
        var until = state.InForce(host)?.Patch.CoveredUntil ?? state.Phase.Target?.CoveredUntil;
        return new KernelStatus
        {
            Release = host.KernelRelease,
            Architecture = host.Architecture,
            LivepatchSupported = host.LivepatchSupported,
            Lockdown = host.Lockdown,
            Taint = host.Taint,
            TaintFlags = TaintFlags.Letters(host.Taint),
            Coverage = Coverage(host, until, now),
            CoveredUntil = until,
        };
    }

    private static CoverageState Coverage(HostSnapshot host, DateOnly? until, DateTimeOffset now)
    {
        if (!host.LivepatchSupported) return CoverageState.NotCovered;
        if (until is not { } day) return CoverageState.Unknown;
        return DateOnly.FromDateTime(now.UtcDateTime) > day ? CoverageState.Ended : CoverageState.Covered;
    }

    private static CheckInStatus CheckIn(AgentState state, HostSnapshot host)
    {
        var record = state.Conversation.CheckIn;
        var isPlanned = state.Enrolment is not null && record.Next != DateTimeOffset.MinValue;
        return new CheckInStatus
        {
            Result = Result(record),
            LastAttempt = record.LastAttempt,
            LastSuccess = record.LastSuccess,
            Next = isPlanned ? record.Next : null,
            Listening = host.Listen is ListenState.Open,
            CatalogueExpires = state.Enrolment is null ? null : state.Conversation.Catalogue.Expires,
            Problem = record.Problem,
        };
    }

    private static CheckInResult Result(CheckInRecord record)
    {
        if (record.Failures > 0) return CheckInResult.Failed;
        return record.LastSuccess is null ? CheckInResult.Never : CheckInResult.Succeeded;
    }

    private static PatchStatus Patch(PatchRef patch, AgentState state)
    {
        var running = state.Kernel.Running is { } r && r.Patch.ManifestDigest == patch.ManifestDigest ? r : null;
        return new PatchStatus
        {
            Name = patch.Name,
            Version = patch.Version,
            Notice = patch.Notice,
            Fixes = patch.Fixes,
            ManifestDigest = patch.ManifestDigest,
            Sequence = patch.Sequence,
            AppliedAt = running?.At,
            Withdrawn = running?.WithdrawalReason,
        };
    }

    private static QuarantinedPatch Quarantined(Quarantined quarantined) => new()
    {
        Name = quarantined.Name,
        Version = quarantined.Version,
        ManifestDigest = quarantined.ManifestDigest,
        Reason = quarantined.Reason,
        At = quarantined.At,
    };

    private static HoldStatus? Hold(AgentState state)
    {
        if (state.Record.Hold is not { } hold) return null;
        var available = Holds.Available(state);
        return new HoldStatus
        {
            Since = hold.At,
            By = hold.By is { } by ? new HoldAsker { Uid = by.Uid, Program = by.Program } : null,
            Available = available is null ? null : Patch(available, state),
        };
    }
}

public sealed record DownloadProgress(long Bytes, long Total);
