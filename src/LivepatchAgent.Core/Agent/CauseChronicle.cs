using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>The part of the <see cref="Chronicle"/> that follows from the cause of a change.</summary>
internal static class CauseChronicle
{
    public static IEnumerable<HistoryEvent> Of(AgentState before, AgentState after, Cause cause)
    {
        if (cause is Cause.Asked { Command: Command.ReleaseQuarantine, By: var by }) return Released(before, after, by);
        var single = cause switch
        {
            Cause.Started s => new HistoryEvent(HistoryKind.Started)
            {
                Note = $"livepatch-agentd {s.AgentVersion} on {s.KernelRelease}",
            },
            Cause.Stopped => new HistoryEvent(HistoryKind.Stopped),
            Cause.Asked a => OfCommand(before, a),
            Cause.Performed p => OfStep(before, p),
            _ => null,
        };
        return single is null ? [] : [single];
    }

    private static HistoryEvent? OfCommand(AgentState before, Cause.Asked asked) => asked.Command switch
    {
        Command.Enable c => new(HistoryKind.EnableAsked) { By = asked.By, Note = $"with {c.Intent.Token.Server}" },
        Command.Disable => new(HistoryKind.Disabled)
        {
            By = asked.By,
            Note = before.Enrolment is { } enrolment ? $"no longer with {enrolment.Server}" : null,
        },
        Command.Hold => new(HistoryKind.HoldAsked) { By = asked.By },
        Command.Unhold => new(HistoryKind.UnholdAsked) { By = asked.By },
        Command.Refresh => new(HistoryKind.RefreshAsked) { By = asked.By },
        _ => null,
    };

    private static IEnumerable<HistoryEvent> Released(AgentState before, AgentState after, HistoryBy? by)
    {
        foreach (var released in before.Record.Quarantine.Except(after.Record.Quarantine))
        {
            var patch = new HistoryPatch(released.ManifestDigest, released.Name, released.Version);
            yield return new(HistoryKind.QuarantineReleased) { By = by, Patch = patch, Note = released.Reason };
        }
    }

    private static HistoryEvent? OfStep(AgentState before, Cause.Performed performed)
    {
        var server = before.Conversation.Server;
        return (performed.Step, performed.Result) switch
        {
            (Step.FetchCatalogue, StepResult.Failed { Problem: var problem })
                when Chronicle.IsNewDistrust(problem, (before.Phase as Phase.Offered)?.Retry.Problem)
                => new(HistoryKind.CatalogueRefused) { By = server, Problem = problem },
            (Step.FetchPins, StepResult.Failed { Problem: var problem })
                when Chronicle.IsNewDistrust(problem, before.Conversation.Pins.Retry.Problem)
                => new(HistoryKind.PinsRefused) { By = server, Problem = problem },
            (Step.FetchPins, StepResult.PinsRead { Pins.Content: var pins })
                => new(HistoryKind.PinsChanged) { By = server, Note = Summary(pins) },
            (Step.FetchWithdrawal s, StepResult.Failed { Problem: var problem }) when Chronicle.IsDistrust(problem.Code)
                => new(HistoryKind.Refused)
                {
                    By = server,
                    Problem = problem,
                    Note = $"a withdrawal: {problem.Message}",
                    Patch = new HistoryPatch(s.ManifestDigest),
                },
            (Step.Reverse s, _)
                => new(HistoryKind.Reversing)
                {
                    Patch = Chronicle.Of(before.Phase.Target),
                    Note = $"{s.Name}: stall-policy",
                },
            (Step.RemoveModule s, StepResult.Done)
                => new(HistoryKind.ModuleRemoved) { Patch = OfModule(before, s.Name), Note = s.Name },
            _ => null,
        };
    }

    private static string Summary(PinSet pins)
    {
        var certificates = PinSetVerifier.Certificates(pins.Publishers);
        var publishers = string.Join(", ", certificates.Select(c => Certificates.Fingerprint(c)[..12]));
        return $"version {pins.Version}: {pins.Threshold} of {pins.Publishers.Count} publishers ({publishers})";
    }

    /// <summary>The patch that a module of this name was, as far as it is known.</summary>
    private static HistoryPatch? OfModule(AgentState state, string name)
    {
        if (state.Kernel.LeftoverPatches.FirstOrDefault(p => p.Name == name) is { } leftover) return leftover;
        return state.Phase.Target is { } target && target.Name == name ? Chronicle.Of(target) : null;
    }
}
