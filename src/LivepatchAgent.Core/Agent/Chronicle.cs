using System.Diagnostics.CodeAnalysis;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What the history is to say of a change of state. It follows from what was believed before and after, so nothing that
/// the agent comes to believe can be left out of the history by forgetting to write it there.
/// </summary>
public static class Chronicle
{
    public static IReadOnlyList<HistoryEvent> Between(AgentState before, AgentState after, Cause cause) =>
    [
        .. CauseChronicle.Of(before, after, cause),
        .. OfServer(before, after),
        .. OfPhase(before, after),
        .. OfKernel(before, after),
    ];

    private static IEnumerable<HistoryEvent> OfServer(AgentState before, AgentState after)
    {
        var server = after.Conversation.Server;
        if (after.Enrolment is { } enrolment && before.Enrolment?.MachineId != enrolment.MachineId)
            yield return new(HistoryKind.Enrolled) { By = server, Note = $"as {enrolment.MachineId}" };
        if (before.Phase is Phase.Enrolling && after.Phase is Phase.NotEnrolled { Problem: { } why })
            yield return new(HistoryKind.EnrolFailed) { Problem = why };
        var (past, present) = (before.Conversation, after.Conversation);
        if (present.Assignment?.ManifestDigest is { } offered && offered != past.Assignment?.ManifestDigest)
            yield return new(HistoryKind.Offered) { By = server, Patch = new HistoryPatch(offered) };
        if (present.CheckIn.Problem is { } problem && IsNewDistrust(problem, past.CheckIn.Problem))
            yield return new(HistoryKind.ServerDistrusted) { By = server, Problem = problem };
    }

    private static IEnumerable<HistoryEvent> OfPhase(AgentState before, AgentState after)
    {
        if (after.Record.Quarantine.Count > before.Record.Quarantine.Count)
            yield return OfQuarantine(before, after.Record.Quarantine[^1]);
        switch (after.Phase)
        {
            case Phase.Verified v when before.Phase is not Phase.Verified:
                yield return Wanted(HistoryKind.Verified, after, v.Patch);
                break;
            case Phase.Loading l when before.Phase is not Phase.Loading:
                yield return Wanted(HistoryKind.Loading, after, l.Patch);
                break;
            case Phase.Transitioning t when before.Phase is Phase.Loading:
                yield return Wanted(HistoryKind.Loaded, after, t.Patch);
                break;
            case Phase.Transitioning t when before.Phase is Phase.AtHand:
                yield return Wanted(HistoryKind.Adopted, after, t.Patch) with { Note = "the kernel had it already" };
                break;
            case Phase.Transitioning { StallReported: true } t
                when before.Phase is Phase.Transitioning { StallReported: false }:
                yield return new(HistoryKind.Stalled) { Patch = Of(t.Patch) };
                break;
            case Phase.Refused r when NewRefusal(before, r) && !IsRecordedElsewhere(before, after, r):
                yield return new(KindOf(r))
                {
                    By = Refused(before, after),
                    Patch = Of(r.Patch) ?? new HistoryPatch(r.ManifestDigest),
                    Problem = r.Problem,
                };
                break;
            default:
                break;
        }
    }

    private static HistoryEvent OfQuarantine(AgentState before, Quarantined quarantined)
    {
        PatchRef?[] candidates = [before.Phase.Target, before.Kernel.Running?.Patch];
        var patch = candidates.FirstOrDefault(p => p?.ManifestDigest == quarantined.ManifestDigest);
        return new(HistoryKind.Quarantined)
        {
            Patch = Of(patch) ?? new HistoryPatch(quarantined.ManifestDigest, Version: quarantined.Version),
            Note = quarantined.Reason,
        };
    }

    /// <summary>A removal by hand and a new quarantine have entries of their own.</summary>
    private static bool IsRecordedElsewhere(AgentState before, AgentState after, Phase.Refused refused) =>
        refused.Origin switch
        {
            RefusalOrigin.Administrator => true,
            RefusalOrigin.Quarantine => after.Record.Quarantine.Count > before.Record.Quarantine.Count,
            _ => false,
        };

    /// <summary>A step on the way, and who set that way in motion.</summary>
    private static HistoryEvent Wanted(HistoryKind kind, AgentState state, PatchRef patch) => new(kind)
    {
        By = state.Pursuit.WantedBy,
        Patch = Of(patch),
        Note = kind == HistoryKind.Loading && state.Pursuit.WantedBy is null
            ? "loaded again: it ran before the host was rebooted"
            : null,
    };

    /// <summary>
    /// Who wanted what was refused: the one who set the way in motion, or the server if it only offered it.
    /// </summary>
    private static HistoryBy? Refused(AgentState before, AgentState after)
    {
        var isReboot = before.Kernel.Running is not null && after.Kernel.Running is null;
        if (isReboot) return null;
        return before.Phase is Phase.Resting or Phase.Refused or Phase.Offered
            ? after.Conversation.Server
            : before.Pursuit.WantedBy;
    }

    private static IEnumerable<HistoryEvent> OfKernel(AgentState before, AgentState after)
    {
        var (past, present) = (before.Kernel, after.Kernel);
        var server = after.Conversation.Server;
        if (present.Running is { } running && !IsSame(past.Running, running))
        {
            yield return Wanted(HistoryKind.Applied, after, running.Patch);
            if (NewLeftover(past, present) is { } replaced)
            {
                var note = $"by {running.Patch.Name} {running.Patch.Version}";
                yield return new(HistoryKind.Replaced) { By = after.Pursuit.WantedBy, Patch = replaced, Note = note };
            }
        }

        if (present.Running is { WithdrawalReason: { } reason } withdrawn && past.Running is { WithdrawalReason: null })
            yield return new(HistoryKind.Withdrawn) { By = server, Patch = Of(withdrawn.Patch), Note = reason };
        var recalled = after.Record.Withdrawn.Except(before.Record.Withdrawn);
        foreach (var manifest in recalled.Where(m => m != present.Running?.Patch.ManifestDigest))
            yield return new(HistoryKind.Withdrawn) { By = server, Patch = new HistoryPatch(manifest) };
        if (past.Running is { } gone && IsRemovedByHand(past, present, gone.Patch.Name))
            yield return new(HistoryKind.RemovedByHand) { Patch = Of(gone.Patch) };
    }

    /// <summary>The same patch, seen in the same boot.</summary>
    private static bool IsSame(RunningPatch? before, RunningPatch after) =>
        before is not null
        && before.Patch.ManifestDigest == after.Patch.ManifestDigest
        && before.BootId == after.BootId;

    /// <summary>The patch that ran before, if its module is among the leftovers only now.</summary>
    private static HistoryPatch? NewLeftover(KernelBelief before, KernelBelief after)
    {
        if (before.Running is not { Patch.ManifestDigest: var manifest }) return null;
        var leftover = after.LeftoverPatches.FirstOrDefault(p => p.ManifestDigest == manifest);
        return leftover is null || before.LeftoverPatches.Contains(leftover) ? null : leftover;
    }

    /// <summary>
    /// It joins the modules that may be removed while the boot is the same: somebody switched it off. A reboot only
    /// makes it disappear.
    /// </summary>
    private static bool IsRemovedByHand(KernelBelief before, KernelBelief after, string name) =>
        after.Running is null && after.Leftovers.Contains(name) && !before.Leftovers.Contains(name);

    private static bool NewRefusal(AgentState before, Phase.Refused now)
    {
        // A refusal that stands while the catalogue is looked at again is no news.
        var stood = before.Phase as Phase.Refused ?? (before.Phase as Phase.Offered)?.Before;
        return stood is null || stood.ManifestDigest != now.ManifestDigest || stood.Problem.Code != now.Problem.Code;
    }

    private static HistoryKind KindOf(Phase.Refused refused)
    {
        if (refused.Problem.Code == ProblemCode.TransitionReversed) return HistoryKind.Reversed;
        return refused.Origin == RefusalOrigin.Kernel ? HistoryKind.LoadFailed : HistoryKind.Refused;
    }

    /// <summary>Distrust, and not the same that the attempt before met.</summary>
    internal static bool IsNewDistrust(Problem problem, Problem? before) =>
        IsDistrust(problem.Code) && problem.Code != before?.Code;

    /// <summary>Somebody may be cheating; an outage is everyday life and is only logged.</summary>
    internal static bool IsDistrust(ProblemCode code) => code is
        (>= ProblemCode.CatalogueSignatureInvalid and <= ProblemCode.PinsInvalid)
        or ProblemCode.ServerCertificateMismatch
        or ProblemCode.ClockWrong
        or ProblemCode.MachineUnknown;

    [return: NotNullIfNotNull(nameof(patch))]
    internal static HistoryPatch? Of(PatchRef? patch) => patch is null
        ? null
        : new(patch.ManifestDigest, patch.Name, patch.Version, patch.ModuleSha256, patch.Signer);
}
