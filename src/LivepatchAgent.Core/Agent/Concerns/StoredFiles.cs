namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Files of patches that nobody needs any more.</summary>
internal static class StoredFiles
{
    public static Advice Of(Turn turn)
    {
        if (!turn.State.AtRest || !turn.State.Pursuit.Untidy) return Advice.Nothing;
        PatchRef[] kept = [.. Kept(turn.State)];
        return new Step.Tidy([.. kept.Select(p => p.ManifestDigest)], [.. kept.Select(p => p.ModuleSha256)]);
    }

    public static AgentState After(Turn turn) =>
        turn.State with { Pursuit = turn.State.Pursuit with { Untidy = false } };

    /// <summary>What may be needed again: what runs, what a crash falls back to, what is on its way.</summary>
    private static IEnumerable<PatchRef> Kept(AgentState state)
    {
        if (state.Kernel.Running is { } running) yield return running.Patch;
        if (state.Record.LastGood is { } good) yield return good;
        if (state.Phase.Target is { } target) yield return target;
    }
}
