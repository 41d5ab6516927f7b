using System.Text;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.History;

/// <summary>What was found in the lines that are kept.</summary>
public sealed record HistoryVerdict
{
    /// <summary>Nothing was changed, cut out, moved or added.</summary>
    public required bool Whole { get; init; }

    /// <summary>Number of the oldest entry that is kept; 0 without any.</summary>
    public required long First { get; init; }

    /// <summary>Number of the newest.</summary>
    public required long Last { get; init; }

    /// <summary>Its hash: noted elsewhere, it can prove later that nothing up to it was changed.</summary>
    public required string Hash { get; init; }

    /// <summary>Entries that were not kept and are counted in the history: reported, so not a fault.</summary>
    public required long Missed { get; init; }

    /// <summary>What is wrong, one line each; no more than <see cref="HistoryVerifier.MaxFaults"/>.</summary>
    public required IReadOnlyList<string> Faults { get; init; }
}

/// <summary>
/// Proves a history whole, in one pass of its lines, oldest first: each fits its own hash and follows the one before,
/// the oldest is the first of all or the one that the last rotation names, the newest is the one that the journal
/// knows.
/// </summary>
public sealed class HistoryVerifier
{
    public const int MaxFaults = 20;

    private readonly List<string> _faults = [];
    private readonly string _rotated = Kebab.Of(HistoryKind.Rotated);
    private long _first;
    private long _last;
    private string? _hash;
    private long _kept = 1;
    private long _missed;

    /// <summary>The next line, without its line end.</summary>
    public void Take(ReadOnlySpan<byte> text)
    {
        if (HistoryLine.Read(text, out var fits) is not { } line)
        {
            Fault($"the line after entry {_last} cannot be read");
            // What follows it cannot be held against it.
            _last++;
            _hash = null;
            if (_first == 0) _first = _last;
            return;
        }

        if (!fits) Fault($"entry {line.Number} was changed");
        if (_first == 0)
        {
            _first = line.Number;
            if (line.Number == 1 && line.Previous != HistoryMark.Origin) Fault("entry 1 follows another");
        }
        else if (line.Number != _last + 1)
        {
            var isGap = line.Number > _last + 1;
            Fault(isGap
                ? $"entries {_last + 1} to {line.Number - 1} are missing"
                : $"entry {line.Number} stands after entry {_last}");
        }
        else if (_hash is not null && line.Previous != _hash)
        {
            Fault($"entry {line.Number} does not follow entry {_last}: one of them was exchanged");
        }

        (_last, _hash) = (line.Number, line.Hash);
        if (line.Kind == _rotated && line.Kept is { } kept) _kept = kept;
        _missed += line.Missed ?? 0;
    }

    /// <summary>The verdict, once every line was taken.</summary>
    /// <param name="mark">What the journal knows; its pending lines are those that wait for the file, and no
    /// others.</param>
    /// <param name="torn">Bytes behind the last line end.</param>
    public HistoryVerdict End(HistoryMark mark, long torn)
    {
        if (torn > 0) Fault($"{torn} bytes stand behind the last line");
        // Lines that the disk would not take yet count as well.
        foreach (var text in mark.Unwritten(_last)) Take(Encoding.UTF8.GetBytes(text));
        if (_first > 0 && _first > _kept) Fault($"entries {_kept} to {_first - 1} are missing");
        else if (_first > 0 && _first < _kept)
            Fault($"entries {_first} to {_kept - 1} were let go and are there again");
        if (_last < mark.Count) Fault($"entries {_last + 1} to {mark.Count} are missing: the end was cut off");
        else if (_last > mark.Count) Fault($"entries {mark.Count + 1} to {_last} are not the agent's");
        else if (_hash is not null && _hash != mark.Hash)
            Fault($"entry {_last} is not the one that the agent wrote last");
        return new HistoryVerdict
        {
            Whole = _faults.Count == 0,
            First = _first,
            Last = _last,
            Hash = _hash ?? mark.Hash,
            Missed = _missed + mark.Missed,
            Faults = _faults,
        };
    }

    private void Fault(string what)
    {
        if (_faults.Count < MaxFaults) _faults.Add(what);
    }
}
