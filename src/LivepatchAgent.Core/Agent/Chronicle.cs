using System.Diagnostics.CodeAnalysis;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>Why the state changed.</summary>
public abstract record Cause
{
    private Cause()
    {
    }

    public sealed record Started(string AgentVersion, string KernelRelease) : Cause;

    public sealed record Stopped : Cause;

    /// <summary>Somebody asked, and the command was taken.</summary>
    public sealed record Asked(Command Command, HistoryBy? By) : Cause;

    /// <summary>About to be done.</summary>
    public sealed record Begun(Step Step) : Cause;

    public sealed record Performed(Step Step, StepResult Result) : Cause;
}

/// <summary>
/// What the history is to say of a change of state. It follows from what was believed before and after, so nothing that
/// the agent comes to believe can be left out of the history by forgetting to write it there.
/// </summary>
public static class Chronicle
{
    public static IReadOnlyList<HistoryEvent> Between(AgentState before, AgentState after, Cause cause) =>
        [.. OfCause(before, after, cause), .. OfServer(before, after), .. OfPhase(before, after), .. OfKernel(before, after)];

    private static IEnumerable<HistoryEvent> OfCause(AgentState before, AgentState after, Cause cause)
    {
        switch (cause)
        {
            case Cause.Started s:
                yield return new(HistoryKind.Started) { Note = $"livepatch-agentd {s.AgentVersion} on {s.KernelRelease}" };
                break;
            case Cause.Stopped:
                yield return new(HistoryKind.Stopped);
                break;
            case Cause.Asked { Command: Command.Enable c } a:
                yield return new(HistoryKind.EnableAsked) { By = a.By, Note = $"with {c.Intent.Token.Server}" };
                break;
            case Cause.Asked { Command: Command.Disable } a:
                yield return new(HistoryKind.Disabled) { By = a.By, Note = before.Enrolment is { } e ? $"no longer with {e.Server}" : null };
                break;
            case Cause.Asked { Command: Command.Hold } a:
                yield return new(HistoryKind.HoldAsked) { By = a.By };
                break;
            case Cause.Asked { Command: Command.Unhold } a:
                yield return new(HistoryKind.UnholdAsked) { By = a.By };
                break;
            case Cause.Asked { Command: Command.ReleaseQuarantine } a:
                foreach (var released in before.Record.Quarantine.Except(after.Record.Quarantine))
                {
                    var patch = new HistoryPatch(released.ManifestDigest, released.Name, released.Version);
                    var reason = released.Reason;
                    yield return new(HistoryKind.QuarantineReleased) { By = a.By, Patch = patch, Note = reason };
                }

                break;
            case Cause.Asked { Command: Command.Refresh } a:
                yield return new(HistoryKind.RefreshAsked) { By = a.By };
                break;
            case Cause.Performed { Step: Step.FetchCatalogue, Result: StepResult.Failed f } when IsDistrust(f.Problem.Code) && (before.Phase as Phase.Offered)?.Retry.Problem?.Code != f.Problem.Code:
                yield return new(HistoryKind.CatalogueRefused) { By = Server(before), Problem = f.Problem };
                break;
            case Cause.Performed { Step: Step.FetchPins s, Result: StepResult.Failed f } when IsDistrust(f.Problem.Code) && before.Conversation.Pins.Retry.Problem?.Code != f.Problem.Code:
                yield return new(HistoryKind.PinsRefused) { By = Server(before), Problem = f.Problem };
                break;
            case Cause.Performed { Step: Step.FetchPins, Result: StepResult.PinsRead { Pins.Content: var pins } }:
                yield return new(HistoryKind.PinsChanged)
                {
                    By = Server(before),
                    Note = $"version {pins.Version}: {pins.Threshold} of {pins.Publishers.Count} publishers ({string.Join(", ", PinSetVerifier.Certificates(pins.Publishers).Select(c => Certificates.Fingerprint(c)[..12]))})",
                };
                break;
            case Cause.Performed { Step: Step.FetchWithdrawal s, Result: StepResult.Failed f } when IsDistrust(f.Problem.Code):
                yield return new(HistoryKind.Refused) { By = Server(before), Problem = f.Problem, Note = $"a withdrawal: {f.Problem.Message}", Patch = new HistoryPatch(s.ManifestDigest) };
                break;
            case Cause.Performed { Step: Step.Reverse s }:
                yield return new(HistoryKind.Reversing) { Patch = Of(before.Phase.Target), Note = $"{s.Name}: stall-policy" };
                break;
            case Cause.Performed { Step: Step.RemoveModule s, Result: StepResult.Done }:
                yield return new(HistoryKind.ModuleRemoved) { Patch = before.Kernel.LeftoverPatches.FirstOrDefault(p => p.Name == s.Name) ?? (before.Phase.Target is { } t && t.Name == s.Name ? Of(t) : null), Note = s.Name };
                break;
            default:
                break;
        }
    }

    private static IEnumerable<HistoryEvent> OfServer(AgentState before, AgentState after)
    {
        if (after.Enrolment is { } enrolment && before.Enrolment?.MachineId != enrolment.MachineId)
            yield return new(HistoryKind.Enrolled) { By = Server(after), Note = $"as {enrolment.MachineId}" };
        if (before.Phase is Phase.Enrolling && after.Phase is Phase.NotEnrolled { Problem: { } why })
            yield return new(HistoryKind.EnrolFailed) { Problem = why };
        if (after.Conversation.Assignment?.ManifestDigest is { } offered && offered != before.Conversation.Assignment?.ManifestDigest)
            yield return new(HistoryKind.Offered) { By = Server(after), Patch = new HistoryPatch(offered) };
        if (after.Conversation.CheckIn.Problem is { } talk && talk.Code != before.Conversation.CheckIn.Problem?.Code && IsDistrust(talk.Code))
            yield return new(HistoryKind.ServerDistrusted) { By = Server(after), Problem = talk };
    }

    private static IEnumerable<HistoryEvent> OfPhase(AgentState before, AgentState after)
    {
        if (after.Record.Quarantine.Count > before.Record.Quarantine.Count)
        {
            var bad = after.Record.Quarantine[^1];
            var which = new[] { before.Phase.Target, before.Kernel.Running?.Patch }.FirstOrDefault(p => p?.ManifestDigest == bad.ManifestDigest);
            yield return new(HistoryKind.Quarantined) { Patch = Of(which) ?? new HistoryPatch(bad.ManifestDigest, Version: bad.Version), Note = bad.Reason };
        }

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
            case Phase.Transitioning { StallReported: true } t when before.Phase is Phase.Transitioning { StallReported: false }:
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

    /// <summary>A removal by hand and a new quarantine have entries of their own.</summary>
    private static bool IsRecordedElsewhere(AgentState before, AgentState after, Phase.Refused refused) => refused.Origin switch
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

    /// <summary>Who wanted what was refused: whoever set the way in motion, or the server when it only offered it.</summary>
    private static HistoryBy? Refused(AgentState before, AgentState after) => before.Phase switch
    {
        _ when before.Kernel.Running is not null && after.Kernel.Running is null => null, // a reboot
        Phase.Resting or Phase.Refused or Phase.Offered => Server(after),
        _ => before.Pursuit.WantedBy,
    };

    private static IEnumerable<HistoryEvent> OfKernel(AgentState before, AgentState after)
    {
        if (after.Kernel.Running is { } running && (before.Kernel.Running?.Patch.ManifestDigest != running.Patch.ManifestDigest || before.Kernel.Running.BootId != running.BootId))
        {
            yield return Wanted(HistoryKind.Applied, after, running.Patch);
            if (before.Kernel.Running is { } old && after.Kernel.LeftoverPatches.FirstOrDefault(p => p.ManifestDigest == old.Patch.ManifestDigest) is { } replaced && !before.Kernel.LeftoverPatches.Contains(replaced))
                yield return new(HistoryKind.Replaced) { By = after.Pursuit.WantedBy, Patch = replaced, Note = $"by {running.Patch.Name} {running.Patch.Version}" };
        }

        if (after.Kernel.Running is { WithdrawalReason: { } reason } withdrawn && before.Kernel.Running is { WithdrawalReason: null })
            yield return new(HistoryKind.Withdrawn) { By = Server(after), Patch = Of(withdrawn.Patch), Note = reason };
        var recalled = after.Record.Withdrawn.Except(before.Record.Withdrawn).Where(m => m != after.Kernel.Running?.Patch.ManifestDigest);
        foreach (var manifest in recalled)
            yield return new(HistoryKind.Withdrawn) { By = Server(after), Patch = new HistoryPatch(manifest) };
        // It joins those that may be removed, while the boot is the same: somebody switched it off. After a reboot it is only gone.
        if (before.Kernel.Running is { } gone && after.Kernel.Running is null && after.Kernel.Leftovers.Contains(gone.Patch.Name) && !before.Kernel.Leftovers.Contains(gone.Patch.Name))
            yield return new(HistoryKind.RemovedByHand) { Patch = Of(gone.Patch) };
    }

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

    /// <summary>Somebody may be cheating; an outage is everyday life and is told in the log alone.</summary>
    private static bool IsDistrust(ProblemCode code) =>
        code is (>= ProblemCode.CatalogueSignatureInvalid and <= ProblemCode.PinsInvalid) or ProblemCode.ServerCertificateMismatch or ProblemCode.ClockWrong or ProblemCode.MachineUnknown;

    private static HistoryBy? Server(AgentState state) => state.Enrolment is { } e ? new HistoryBy(Server: e.Server) : null;

    [return: NotNullIfNotNull(nameof(patch))]
    internal static HistoryPatch? Of(PatchRef? patch) => patch is null ? null : new(patch.ManifestDigest, patch.Name, patch.Version, patch.ModuleSha256, patch.Signer);
}
