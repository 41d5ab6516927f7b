using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>Changes to parts of a state, for tests: one call in place of nested with-expressions.</summary>
internal static class StateParts
{
    public static AgentState With(
        this AgentState state,
        Func<Conversation, Conversation>? conversation = null,
        Func<CheckInRecord, CheckInRecord>? checkIn = null,
        Func<HeldCall, HeldCall>? heldCall = null,
        Func<PinsRecord, PinsRecord>? pins = null,
        Func<WithdrawalsRecord, WithdrawalsRecord>? withdrawals = null,
        Func<CatalogueRecord, CatalogueRecord>? catalogue = null,
        Func<Pursuit, Pursuit>? pursuit = null,
        Func<KernelBelief, KernelBelief>? kernel = null,
        Func<HostRecord, HostRecord>? record = null)
    {
        var talk = Changed(state.Conversation, conversation);
        return state with
        {
            Conversation = talk with
            {
                CheckIn = Changed(talk.CheckIn, checkIn),
                HeldCall = Changed(talk.HeldCall, heldCall),
                Pins = Changed(talk.Pins, pins),
                Withdrawals = Changed(talk.Withdrawals, withdrawals),
                Catalogue = Changed(talk.Catalogue, catalogue),
            },
            Pursuit = Changed(state.Pursuit, pursuit),
            Kernel = Changed(state.Kernel, kernel),
            Record = Changed(state.Record, record),
        };
    }

    private static T Changed<T>(T part, Func<T, T>? change) => change is null ? part : change(part);
}
