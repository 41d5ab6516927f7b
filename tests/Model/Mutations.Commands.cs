using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Model;

internal sealed class HoldIgnored() : Mutation(
    "hold-ignored",
    "a held host loads a new patch all the same",
    "held-load")
{
    public override Step Next(Turn turn)
    {
        var step = base.Next(turn with { State = Beliefs.WithoutHold(turn.State) });
        return step is Step.Believe b ? Believing(step, Beliefs.WithHoldOf(b.After, turn.State)) : step;
    }
}

internal sealed class HoldForgotten() : Mutation(
    "hold-forgotten",
    "the hold ends with the boot in which it was asked for",
    "hold-kept")
{
    public override Step Next(Turn turn)
    {
        var step = base.Next(turn);
        var isOver = Beliefs.Running(turn.State) is { } running && running.BootId != turn.Host.BootId;
        return isOver && step is Step.Believe b ? Believing(step, Beliefs.WithoutHold(b.After)) : step;
    }
}

internal sealed class HoldOfEverything() : Mutation(
    "hold-of-everything",
    "a held host does not load again what it ran",
    "return")
{
    public override Step Next(Turn turn) => Beliefs.IsHeld(turn.State) && Beliefs.IsAboutToLoad(turn.State)
        ? new Step.Believe(Beliefs.Resting(turn.State), "mutated")
        : base.Next(turn);
}

internal sealed class HoldForEver() : Mutation(
    "hold-for-ever",
    "unhold is answered and changes nothing",
    "arrival/")
{
    public override Result<AgentState> Accept(Turn turn, Command command) =>
        command is Command.Unhold ? turn.State : base.Accept(turn, command);
}

internal sealed class ReleaseOfAll() : Mutation(
    "release-of-all",
    "a release empties the quarantine",
    "quarantine-kept")
{
    public override Result<AgentState> Accept(Turn turn, Command command)
    {
        var after = base.Accept(turn, command);
        if (command is not Command.ReleaseQuarantine || !after.TryGet(out var state, out _)) return after;
        return Beliefs.WithQuarantine(state, []);
    }
}

internal sealed class ReleaseWithoutTheRefusal() : Mutation(
    "release-without-the-refusal",
    "a released patch stays refused for its quarantine",
    "truth/released")
{
    public override Result<AgentState> Accept(Turn turn, Command command)
    {
        var after = base.Accept(turn, command);
        if (command is not Command.ReleaseQuarantine || !after.TryGet(out var state, out _)) return after;
        return Beliefs.WithPhaseOf(state, turn.State);
    }
}
