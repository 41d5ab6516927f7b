namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>A person takes a patch out of the quarantine: what took the host down once may be tried again.</summary>
internal static class Quarantines
{
    private const int ShortDigest = 12;

    /// <summary>No name, version or digest is longer.</summary>
    private const int MaxName = 512;

    /// <summary>
    /// Takes the one patch that the name means. Its refusal is lifted with it, so it is pursued if it is assigned.
    /// </summary>
    /// <param name="turn">The turn in which it is asked.</param>
    /// <param name="name">The module's name, the version, or how the manifest's digest begins.</param>
    public static Result<AgentState> Release(Turn turn, string name)
    {
        var state = turn.State;
        Quarantined[] meant = [.. state.Record.Quarantine.Where(q => IsMeant(q, name))];
        if (meant.Length == 0) return Problems.NotQuarantined(Quoted(name));
        if (meant.Length > 1) return Problems.AmbiguousRelease(Quoted(name), meant.Select(InWords));
        var released = meant[0];
        var others = state.Record.Quarantine.Where(q => q.ManifestDigest != released.ManifestDigest);
        return state with
        {
            Record = state.Record with { Quarantine = [.. others] },
            Pursuit = state.Pursuit with { Phase = Lifted(state.Phase, released.ManifestDigest) },
        };
    }

    /// <summary>What a person types to release it.</summary>
    public static string NameOf(Quarantined quarantined) => quarantined.Name ?? Short(quarantined.ManifestDigest);

    private static bool IsMeant(Quarantined quarantined, string name)
    {
        if (name.Length is 0 or > MaxName) return false;
        if (quarantined.Name == name || quarantined.Version == name) return true;
        return quarantined.ManifestDigest.StartsWith(name, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Also where the refusal only waits while the catalogue is looked at again.</summary>
    private static Phase Lifted(Phase phase, string manifest) => phase switch
    {
        Phase.Refused p when IsOf(p, manifest) => new Phase.Resting(),
        Phase.Offered { Before: { } p } offered when IsOf(p, manifest) => offered with { Before = null },
        _ => phase,
    };

    private static bool IsOf(Phase.Refused refused, string manifest) =>
        refused.ManifestDigest == manifest && refused.Origin == RefusalOrigin.Quarantine;

    private static string InWords(Quarantined quarantined)
    {
        var name = quarantined.Name is null ? "" : quarantined.Name + " ";
        return $"{name}{quarantined.Version} (manifest {Short(quarantined.ManifestDigest)})";
    }

    private static string Short(string manifest) => manifest.Length > ShortDigest ? manifest[..ShortDigest] : manifest;

    /// <summary>In a line of its own making: what was typed may be anything.</summary>
    private static string Quoted(string name)
    {
        var start = name.Length > 64 ? name[..64] + "…" : name;
        return string.Concat(start.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
    }
}
