using System.Diagnostics;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// What the held check-in brought. A newer word of the server comes before what the older one asked for.
/// </summary>
internal static class HeldAnswers
{
    public static Advice Of(Turn turn)
    {
        var listens = turn.State.AtRest || turn.Phase is Phase.Fetching;
        if (!listens || turn.State.Enrolment is null) return Advice.Nothing;
        var after = turn.After(Ended(turn));
        return turn.Host.Listen switch
        {
            ListenState.Answered a =>
                Taken(Assignments.Take(after, a.Assignment), "the server answered the held check-in"),
            ListenState.Broken b => Taken(Broken(after), $"the held check-in broke: {b.Problem}"),
            ListenState.Off or ListenState.Open => Advice.Nothing,
            _ => throw new UnreachableException(),
        };
    }

    private static Step.Believe Taken(AgentState state, string why) => new(state, why) { TakesHeldAnswer = true };

    private static AgentState Ended(Turn turn)
    {
        var call = turn.State.Conversation.HeldCall;
        var wasShort = call.Since is { } since && turn.Now - since < Cadence.ShortestHold;
        var shortCalls = wasShort ? call.ShortCalls + 1 : 0;
        var notBefore = turn.Now + Cadence.HoldPause(shortCalls, turn.Host.Jitter);
        var ended = new HeldCall { Since = null, ShortCalls = shortCalls, NotBefore = notBefore };
        return turn.State with { Conversation = turn.State.Conversation with { HeldCall = ended } };
    }

    /// <summary>Connections break by nobody's fault; a plain check-in soon shows whether the server is away.</summary>
    private static AgentState Broken(Turn turn)
    {
        var conversation = turn.State.Conversation;
        var soon = turn.Now + Cadence.Backoff(Math.Max(1, conversation.HeldCall.ShortCalls), turn.Host.Jitter);
        if (conversation.CheckIn.Next <= soon) return turn.State;
        return turn.State with
        {
            Conversation = conversation with { CheckIn = conversation.CheckIn with { Next = soon } },
        };
    }
}
