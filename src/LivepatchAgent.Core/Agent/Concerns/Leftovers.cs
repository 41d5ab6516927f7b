namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Modules of ours that patch nothing any more: they are removed once nothing refers to them.</summary>
internal static class Leftovers
{
    public static Advice Of(Turn turn)
    {
        if (!turn.State.AtRest) return Advice.Nothing;
        foreach (var name in turn.State.Kernel.Leftovers)
        {
            switch (turn.Host.Sight(name))
            {
                case PatchSighting.Absent:
                    return new Step.Believe(Forgotten(turn.State, name), $"module {name} is gone");
                case PatchSighting.Running:
                    return new Step.Believe(Forgotten(turn.State, name), $"{name} is in force again");
                case PatchSighting.Lingering when turn.Host.Modules[name].References == 0:
                    return new Step.RemoveModule(name);
                default:
                    continue;
            }
        }

        return AskAgain(turn);
    }

    /// <summary>Whether or not the module could be removed: it does no harm, and is not tried again.</summary>
    public static AgentState After(Turn turn, Step.RemoveModule step)
    {
        var forgotten = Forgotten(turn.State, step.Name);
        return turn.Phase is Phase.Loading p ? forgotten.InPhase(new Phase.Downloaded(p.Patch)) : forgotten;
    }

    /// <summary>The kernel lets a replaced module go a moment after the transition; nothing reports when.</summary>
    private static Advice AskAgain(Turn turn)
    {
        if (turn.State.Kernel.Leftovers.Count == 0 || turn.Running is not { } running) return Advice.Nothing;
        var age = running.Age(turn);
        return age < Cadence.LeftoverWatch ? Advice.At(turn.Now + Cadence.TransitionPace(age)) : Advice.Nothing;
    }

    private static AgentState Forgotten(AgentState state, string name) =>
        state with { Kernel = state.Kernel.Forgetting(name) };
}
