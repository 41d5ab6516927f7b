namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// A patch that has run for a probation's time without the host going down is what a later crash falls back to.
/// Each boot counts afresh: one that survived before is loaded again after a crash, and still must not end the host at
/// every boot.
/// </summary>
internal static class Probation
{
    public static Advice Of(Turn turn)
    {
        if (turn.State.InForce(turn.Host) is not { SurvivedProbation: false } running) return Advice.Nothing;
        var left = turn.Policy.Probation - running.Age(turn);
        if (left > TimeSpan.Zero) return Advice.At(turn.Now + left);
        var state = turn.State;
        var survived = state with
        {
            Record = state.Record with { LastGood = running.Patch },
            Kernel = state.Kernel.Forgiving(running.Patch.ManifestDigest) with
            {
                Running = running with { SurvivedProbation = true },
            },
            Pursuit = state.Pursuit with { Untidy = true },
        };
        return new Step.Believe(survived, $"{running.Patch.Name} has survived its probation");
    }
}
