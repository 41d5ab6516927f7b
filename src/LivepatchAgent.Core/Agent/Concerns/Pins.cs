using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// Whom to trust comes before what to load. A pin set that cannot be fetched or is not believed holds up nothing else.
/// </summary>
internal static class Pins
{
    public static Advice Of(Turn turn)
    {
        var talks = turn.State.AtRest || turn.Phase is Phase.Fetching;
        if (!talks || turn.State.Enrolment is not { } enrolment) return Advice.Nothing;
        var pins = turn.State.Conversation.Pins;
        return pins.Newest > enrolment.PinsVersion
            ? Advice.When(turn, pins.Retry, new Step.FetchPins(enrolment.PinsVersion + 1))
            : Advice.Nothing;
    }

    public static AgentState? After(Turn turn, StepResult result) => result switch
    {
        StepResult.PinsRead r when turn.State.Enrolment is { } enrolment =>
            Trusting(turn.State, enrolment, r.Pins.Content),
        StepResult.Failed f => WithRetry(turn.State, turn.Again(turn.State.Conversation.Pins.Retry, f.Problem)),
        _ => null,
    };

    private static AgentState WithRetry(AgentState state, Retry retry) => state with
    {
        Conversation = state.Conversation with { Pins = state.Conversation.Pins with { Retry = retry } },
    };

    /// <summary>
    /// Trust is what it is now for whatever is verified from here on; what the kernel runs stays. A catalogue and a
    /// refusal from before are looked at again, as another key may now speak for them.
    /// </summary>
    private static AgentState Trusting(AgentState state, Enrolment enrolment, PinSet pins)
    {
        var repinned = enrolment with
        {
            PinsVersion = pins.Version,
            Threshold = pins.Threshold,
            PublisherCertificates = pins.Publishers,
            CatalogueCertificates = pins.Catalogue,
            TlsPins = pins.Tls,
        };
        var conversation = state.Conversation;
        var assignment = conversation.Assignment is { } a ? a with { Confirmed = false } : null;
        return Assignments.TurnedBack(state) with
        {
            Conversation = conversation with
            {
                Enrolment = repinned,
                Assignment = assignment,
                Pins = conversation.Pins with { Retry = Retry.Now },
            },
        };
    }
}
