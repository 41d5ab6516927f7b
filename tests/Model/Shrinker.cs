namespace LivepatchAgent.Model;

/// <summary>Makes a failing sequence as small as it gets while it fails in the same way.</summary>
internal static class Shrinker
{
    private const int MaxTries = 4000;

    /// <param name="failing">It fails.</param>
    /// <param name="fails">Whether a sequence fails in the way that matters.</param>
    public static Sequence Shrink(Sequence failing, Func<Sequence, bool> fails)
    {
        var tries = 0;
        var small = failing;
        for (var before = (Sequence?)null; before != small && tries < MaxTries;)
        {
            before = small;
            small = Fewer(small, Fails, ref tries);
            small = Shorter(small, Fails);
            small = Earlier(small, Fails);
            small = Simpler(small, Fails);
        }

        return small;

        bool Fails(Sequence sequence) => tries++ < MaxTries && fails(sequence);
    }

    /// <summary>Without incidents: half of them, a quarter, at last each alone.</summary>
    private static Sequence Fewer(Sequence sequence, Func<Sequence, bool> fails, ref int tries)
    {
        for (var size = Math.Max(1, sequence.Incidents.Count / 2); size > 0; size /= 2)
        {
            for (var from = 0; from < sequence.Incidents.Count && tries < MaxTries;)
            {
                var (start, end) = (from, from + size);
                var kept = sequence.Incidents.Where((_, i) => i < start || i >= end);
                var fewer = sequence with { Incidents = [.. kept] };
                if (fails(fewer)) sequence = fewer;
                else from += size;
            }
        }

        return sequence;
    }

    /// <summary>With fewer turns at its end.</summary>
    private static Sequence Shorter(Sequence sequence, Func<Sequence, bool> fails)
    {
        var least = sequence.Incidents.Count == 0 ? 0 : sequence.Incidents[^1].Turn + 1;
        for (var turns = least; turns < sequence.Turns; turns += Math.Max(1, (sequence.Turns - turns) / 4))
        {
            var shorter = sequence with { Turns = turns };
            if (fails(shorter)) return shorter;
        }

        return sequence;
    }

    /// <summary>With turns taken out between two incidents.</summary>
    private static Sequence Earlier(Sequence sequence, Func<Sequence, bool> fails)
    {
        for (var i = 0; i < sequence.Incidents.Count; i++)
        {
            var gap = sequence.Incidents[i].Turn - (i == 0 ? 0 : sequence.Incidents[i - 1].Turn);
            foreach (var less in new[] { gap, gap / 2, gap / 4, 1 })
            {
                if (less <= 0 || less > gap) continue;
                var from = i;
                var earlier = new Sequence(
                    sequence.Turns - less,
                    [.. sequence.Incidents.Select((n, at) => at < from ? n : n with { Turn = n.Turn - less })]);
                if (!IsInOrder(earlier) || !fails(earlier)) continue;
                sequence = earlier;
                break;
            }
        }

        return sequence;
    }

    /// <summary>With plainer incidents: good patches, and between turns rather than within them.</summary>
    private static Sequence Simpler(Sequence sequence, Func<Sequence, bool> fails)
    {
        for (var i = 0; i < sequence.Incidents.Count; i++)
        {
            var incident = sequence.Incidents[i];
            Incident[] plainer = [incident with { Behaviour = Behaviour.Ok }, incident with { Point = Point.Look }];
            foreach (var simple in plainer)
            {
                if (simple == incident) continue;
                var at = i;
                var incidents = sequence.Incidents.Select((n, j) => j == at ? simple : n);
                var simpler = sequence with { Incidents = [.. incidents] };
                if (!IsInOrder(simpler) || !fails(simpler)) continue;
                sequence = simpler;
                break;
            }
        }

        return sequence;
    }

    private static bool IsInOrder(Sequence sequence)
    {
        for (var i = 1; i < sequence.Incidents.Count; i++)
        {
            var (a, b) = (sequence.Incidents[i - 1], sequence.Incidents[i]);
            if ((a.Turn, a.Point).CompareTo((b.Turn, b.Point)) > 0) return false;
        }

        return true;
    }
}
