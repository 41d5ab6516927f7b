namespace LivepatchAgent.Model;

/// <summary>Makes a sequence from a number: the same number, the same sequence.</summary>
internal static class Generator
{
    /// <summary>How often each kind comes, beside the others.</summary>
    private static readonly (IncidentKind Kind, int Weight)[] Weights =
    [
        (IncidentKind.Kill, 90), (IncidentKind.Restart, 30), (IncidentKind.Power, 110), (IncidentKind.Reboot, 80),
        (IncidentKind.RebootOther, 15), (IncidentKind.DiskFull, 20), (IncidentKind.DiskFailing, 15),
        (IncidentKind.DiskRoom, 40), (IncidentKind.DiskUnreadable, 5), (IncidentKind.JournalDamaged, 3),
        (IncidentKind.ModuleRotten, 10), (IncidentKind.Publish, 140), (IncidentKind.PublishOther, 15),
        (IncidentKind.WithdrawNewest, 45), (IncidentKind.WithdrawOldest, 10), (IncidentKind.Forget, 15),
        (IncidentKind.Backup, 6), (IncidentKind.OfferOldest, 12), (IncidentKind.OfferNewest, 20),
        (IncidentKind.Stranger, 10), (IncidentKind.AnswerLost, 25), (IncidentKind.ServerAway, 25),
        (IncidentKind.ServerBack, 45), (IncidentKind.Pins, 8), (IncidentKind.SwitchOff, 30),
        (IncidentKind.OtherTool, 6), (IncidentKind.Remove, 5), (IncidentKind.Busy, 20),
        (IncidentKind.MemoryShort, 15), (IncidentKind.MemoryBack, 15), (IncidentKind.KeyMissing, 10),
        (IncidentKind.ModulesDisabled, 8), (IncidentKind.HostUnfit, 8), (IncidentKind.Spoil, 35),
        (IncidentKind.ModeObserve, 8), (IncidentKind.ModeOff, 8), (IncidentKind.ModeNormal, 20),
        (IncidentKind.ReverseStalls, 10), (IncidentKind.ClockAhead, 8), (IncidentKind.ClockBack, 8),
        (IncidentKind.ClockRight, 12), (IncidentKind.Refresh, 20), (IncidentKind.NetworkUp, 10),
        (IncidentKind.Disable, 8), (IncidentKind.Enable, 12), (IncidentKind.Hold, 14), (IncidentKind.Unhold, 18),
        (IncidentKind.Release, 25),
    ];

    private static readonly IncidentKind[] Kinds = [.. Weights.SelectMany(w => Enumerable.Repeat(w.Kind, w.Weight))];

    /// <summary>Every other patch is good.</summary>
    private static readonly Behaviour[] Published =
    [
        .. Enum.GetValues<Behaviour>(), Behaviour.DiesSoon, Behaviour.DiesLoading,
        .. Enumerable.Repeat(Behaviour.Ok, 18),
    ];

    /// <summary>What a good patch can turn into.</summary>
    private static readonly Behaviour[] Spoiled =
    [
        Behaviour.DiesLoading, Behaviour.DiesSwitching, Behaviour.DiesSoon, Behaviour.DiesLate, Behaviour.Stalls,
        Behaviour.Slow, Behaviour.Ok, Behaviour.NoKey, Behaviour.Unfit,
    ];

    /// <param name="number">Of the sequence.</param>
    /// <param name="turns">How many it has.</param>
    public static Sequence Make(ulong number, int turns)
    {
        var chance = new Chance(number);
        var incidents = new List<Incident>(turns / 4);
        // Hosts differ in how much befalls them.
        var perMille = 15 + chance.Below(235);
        if (chance.Below(5) > 0)
            incidents.Add(new Incident(0, Point.Look, IncidentKind.Publish, Pick(Published, ref chance)));
        for (var turn = 1; turn < turns; turn++)
        {
            while (chance.Below(1000) < perMille) incidents.Add(One(turn, ref chance));
        }

        incidents.Sort(static (a, b) => a.Turn != b.Turn ? a.Turn.CompareTo(b.Turn) : a.Point.CompareTo(b.Point));
        return new Sequence(turns, incidents);
    }

    private static Incident One(int turn, ref Chance chance)
    {
        var kind = Pick(Kinds, ref chance);
        var behaviour = kind switch
        {
            IncidentKind.Spoil => Pick(Spoiled, ref chance),
            IncidentKind.Publish or IncidentKind.PublishOther => Pick(Published, ref chance),
            _ => Behaviour.Ok,
        };
        return new Incident(turn, (Point)chance.Below(5), kind, behaviour);
    }

    private static T Pick<T>(T[] from, ref Chance chance) => from[chance.Below(from.Length)];
}

/// <summary>SplitMix64: small, fast, and the same everywhere.</summary>
internal struct Chance(ulong seed)
{
    /// <summary>Mixed, or the numbers after one seed would be those after the next one, moved by one.</summary>
    private ulong _state = Mix(seed + 0xA0761D6478BD642F);

    public ulong Next() => Mix(_state += 0x9E3779B97F4A7C15);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>From 0 up to, and without, the bound.</summary>
    public int Below(int bound) => (int)(((Next() >> 32) * (ulong)bound) >> 32);
}
