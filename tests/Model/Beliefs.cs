using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>
/// The one place where the model knows how the agent's memory is laid out. The rest of it asks here, so that a change
/// of <see cref="AgentState"/> or <see cref="Phase"/> changes this file alone.
/// </summary>
internal static class Beliefs
{
    public static string PhaseWord(AgentState state) =>
        JsonNamingPolicy.KebabCaseLower.ConvertName(state.Phase.GetType().Name);

    /// <summary>The step in a word, and what is believed after one that only believes.</summary>
    public static string StepWord(Step step) => step is Step.Believe believe
        ? "believe " + PhaseWord(believe.After)
        : JsonNamingPolicy.KebabCaseLower.ConvertName(step.GetType().Name);

    public static Enrolment? Enrolment(AgentState state) => state.Conversation.Enrolment;

    public static bool IsEnrolling(AgentState state) => state.Phase is Phase.Enrolling;

    public static bool StoppedCleanly(AgentState state) => state.Kernel.StoppedCleanly;

    public static bool IsHeld(AgentState state) => state.Record.Hold is not null;

    public static IReadOnlyList<Quarantined> Quarantine(AgentState state) => state.Record.Quarantine;

    public static IReadOnlyList<Outcome> Outcomes(AgentState state) => state.Conversation.Outcomes;

    public static IReadOnlyDictionary<string, Floor> Floors(AgentState state) => state.Record.Floors;

    public static HistoryMark History(AgentState state) => state.History;

    public static AgentState With(AgentState state, HistoryMark mark) =>
        ReferenceEquals(state.History, mark) ? state : state with { History = mark };

    /// <summary>The patch that is believed to run, and the boot in which its transition was complete.</summary>
    public static (string Manifest, string BootId)? Running(AgentState state) =>
        state.Kernel.Running is { } running ? (running.Patch.ManifestDigest, running.BootId) : null;

    /// <summary>The running patch has survived its probation in the boot that it is believed of.</summary>
    public static bool HasSurvived(AgentState state) => state.Kernel.Running is { SurvivedProbation: true };

    /// <summary>The last patch that survived its probation.</summary>
    public static string? LastGood(AgentState state) => state.Record.LastGood?.ManifestDigest;

    /// <summary>What the journal says about a load that is about to begin.</summary>
    public static (string Manifest, string BootId)? LoadIntent(AgentState state) =>
        state.Phase is Phase.Loading loading ? (loading.Patch.ManifestDigest, loading.BootId) : null;

    /// <summary>The patch that is loading or in transition.</summary>
    public static (PatchRef Patch, string BootId)? Switching(AgentState state) =>
        state.Phase is Phase.InKernel phase ? (phase.Patch, phase.BootId) : null;

    /// <summary>A refusal stands, and nothing about it is being looked at again.</summary>
    public static bool IsRefused(AgentState state) => state.Phase is Phase.Refused;

    /// <summary>The refusal that stands, also while the catalogue is looked at again.</summary>
    public static (string Manifest, ProblemCode Code)? Refusal(AgentState state) => state.Phase switch
    {
        Phase.Refused p => (p.ManifestDigest, p.Problem.Code),
        Phase.Offered { Before: { } p } => (p.ManifestDigest, p.Problem.Code),
        _ => null,
    };

    /// <summary>The held check-in's answer is taken with this belief.</summary>
    public static bool TakesHeldAnswer(Step.Believe believe) => believe.TakesHeldAnswer;

    // What the mutations change. A mended fault is put back here.

    public static bool IsAboutToLoad(AgentState state) => state.Phase is Phase.Verified or Phase.Cleared;

    /// <summary>Of the module that is held open.</summary>
    public static string? BuildId(AgentState state) => state.Phase switch
    {
        Phase.Verified p => p.BuildId,
        Phase.Cleared p => p.BuildId,
        _ => null,
    };

    public static AgentState WithQuarantine(AgentState state, IReadOnlyList<Quarantined> quarantine) =>
        state with { Record = state.Record with { Quarantine = quarantine } };

    /// <summary>With the hold of another state.</summary>
    public static AgentState WithHoldOf(AgentState state, AgentState other) =>
        state with { Record = state.Record with { Hold = other.Record.Hold } };

    public static AgentState WithoutHold(AgentState state) =>
        state with { Record = state.Record with { Hold = null } };

    public static AgentState WithPhaseOf(AgentState state, AgentState other) => state.InPhase(other.Phase);

    public static AgentState WithLastGood(AgentState state, PatchRef? patch) =>
        state with { Record = state.Record with { LastGood = patch } };

    /// <summary>On the way to this patch, whose file is in the store.</summary>
    public static AgentState OnTheWayTo(AgentState state, PatchRef patch) =>
        state.InPhase(new Phase.Downloaded(patch));

    public static AgentState Resting(AgentState state) => state.InPhase(new Phase.Resting());

    public static PatchRef? StoredTarget(AgentState state) => (state.Phase as Phase.Downloaded)?.Patch;

    public static PatchRef? LastGoodPatch(AgentState state) => state.Record.LastGood;

    public static AgentState WithStoppedCleanly(AgentState state, bool clean) =>
        state with { Kernel = state.Kernel with { StoppedCleanly = clean } };

    public static AgentState WithoutOutcomes(AgentState state) =>
        state with { Conversation = state.Conversation with { Outcomes = [] } };

    public static AgentState WithoutFloors(AgentState state) =>
        state with { Record = state.Record with { Floors = new Dictionary<string, Floor>() } };

    public static AgentState WithFloorsOf(AgentState state, AgentState other) =>
        state with { Record = state.Record with { Floors = other.Record.Floors } };

    /// <summary>Quarantined at once, and refused: one strike, whatever it survived before.</summary>
    public static AgentState QuarantinedAtOnce(AgentState state, PatchRef patch, HostSnapshot host)
    {
        var quarantined = new Quarantined(patch.ManifestDigest, patch.Version, "one unclean end", host.At);
        var problem = new Problem(ProblemCode.PatchQuarantined, "cannot load it: it is quarantined", "");
        return state with
        {
            Record = state.Record with
            {
                Quarantine = [.. state.Record.Quarantine, quarantined],
                LastGood = state.Record.LastGood?.ManifestDigest == patch.ManifestDigest ? null : state.Record.LastGood,
            },
            Pursuit = state.Pursuit with
            {
                Phase = new Phase.Refused(patch.ManifestDigest, patch, problem, RefusalOrigin.Quarantine, host.BootId),
            },
            Kernel = state.Kernel with { Running = null },
        };
    }

    /// <summary>As if the refusal that stands had been made in this boot.</summary>
    public static AgentState WithRefusalOfThisBoot(AgentState state, string bootId) => state.Phase switch
    {
        Phase.Refused p => state.InPhase(p with { BootId = bootId }),
        Phase.Offered { Before: { } p } offered => state.InPhase(offered with { Before = p with { BootId = bootId } }),
        _ => state,
    };

    /// <summary>As if no withdrawal but the running patch's had been read.</summary>
    public static AgentState WithoutWithdrawals(AgentState state) =>
        state with { Record = state.Record with { Withdrawn = [] } };
}
