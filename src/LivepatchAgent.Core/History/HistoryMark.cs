using System.Text;

namespace LivepatchAgent.Core.History;

/// <summary>
/// How far the history goes, kept in the journal and not beside it, so that a history.jsonl whose end was cut off is
/// found out. The last lines stand here too, saved with the state that they record and before the file has them, so
/// that a power cut between the two files neither loses nor repeats any.
/// </summary>
public sealed record HistoryMark
{
    /// <summary>
    /// As many lines wait for a file that cannot be written; what comes then is counted and not kept.
    /// </summary>
    public const int MaxPending = 32;

    /// <summary>
    /// What a server can bring about at will, as by offering one thing after another. More of it in an hour is counted
    /// and not kept, so that nobody can push out what happened before by making noise: it takes days.
    /// </summary>
    public const int MaxNoisePerHour = 100;

    /// <summary>What the first line of all follows.</summary>
    public static readonly string Origin = new('0', 64);

    /// <summary>Entries ever made; the number of the last one.</summary>
    public long Count { get; init; }

    /// <summary>Hash of the last one.</summary>
    public string Hash { get; init => field = value ?? Origin; } = Origin;

    /// <summary>The last lines up to <see cref="Count"/>; the file may have them or not.</summary>
    public IReadOnlyList<string> Pending { get; init => field = value ?? []; } = [];

    /// <summary>Entries that were dropped since the last one.</summary>
    public long Missed { get; init; }

    /// <summary>The hour, counted from 1970, that <see cref="Noise"/> is of.</summary>
    public long Hour { get; init; }

    /// <summary>Entries of the kinds that a server brings about, in that hour.</summary>
    public int Noise { get; init; }

    /// <summary>The mark with so many more entries at its end.</summary>
    /// <param name="written">The last line that the file is known to have, by its number; lines up to it need not be
    /// kept here.</param>
    /// <param name="rotateFrom">When the file is full: its first line, by its number, which will be the oldest that is
    /// kept.</param>
    public HistoryMark With(
        IReadOnlyList<HistoryEvent> events,
        long written,
        long? rotateFrom,
        DateTimeOffset at,
        string boot)
    {
        if (events.Count == 0) return this;
        var hour = at.ToUnixTimeSeconds() / 3600;
        var (before, now) = (hour == Hour ? Noise : 0, events.Count(IsNoise));
        if (now == 0) return Kept(events, written, rotateFrom, at, boot);
        if (before + now <= MaxNoisePerHour)
        {
            var noisier = this with { Hour = hour, Noise = before + now };
            return noisier.Kept(events, written, rotateFrom, at, boot);
        }

        HistoryEvent[] rest = [.. events.Where(e => !IsNoise(e))];
        var counted = this with { Missed = Missed + now };
        return rest.Length == 0 ? counted : counted.Kept(rest, written, rotateFrom, at, boot);
    }

    private static bool IsNoise(HistoryEvent e) => e.Kind is
        HistoryKind.Offered or HistoryKind.CatalogueRefused or HistoryKind.Refused or HistoryKind.Verified
        or HistoryKind.ServerDistrusted or HistoryKind.PinsRefused;

    private HistoryMark Kept(
        IReadOnlyList<HistoryEvent> events,
        long written,
        long? rotateFrom,
        DateTimeOffset at,
        string boot)
    {
        var waiting = Unwritten(written);
        if (waiting.Count + events.Count + 2 > MaxPending)
            return this with { Pending = waiting, Missed = Missed + events.Count };
        List<HistoryEvent> all = [];
        if (rotateFrom is { } kept) all.Add(new HistoryEvent(HistoryKind.Rotated) { Kept = kept });
        if (Missed > 0) all.Add(Gap(Missed));
        all.AddRange(events);
        var (count, hash, lines) = (Count, Hash, new List<string>(waiting));
        foreach (var e in all)
        {
            (var text, hash) = HistoryLine.Write(++count, hash, at, boot, e);
            lines.Add(text);
        }

        return this with { Count = count, Hash = hash, Pending = lines, Missed = 0 };
    }

    private static HistoryEvent Gap(long missed) => new(HistoryKind.Gap)
    {
        Missed = missed,
        Note = $"{missed} entries were not kept: "
            + "the disk did not take them, or a server brought about too many",
    };

    /// <summary>The lines that the file does not have yet.</summary>
    public IReadOnlyList<string> Unwritten(long written)
    {
        var before = Pending.Count - (Count - written);
        return [.. Pending.Skip((int)Math.Clamp(before, 0, Pending.Count))];
    }

    /// <summary>
    /// What to go on from, when the file was found to end with this line: null for an empty or missing file.
    /// </summary>
    /// <param name="last">The last whole line of the file.</param>
    /// <param name="readable">False when the file ends with something that is no line, or whose hash does not
    /// fit.</param>
    /// <param name="torn">Bytes behind the last line end.</param>
    public HistoryStart Resume(HistoryLine? last, bool readable, long torn)
    {
        List<HistoryEvent> found = [];
        if (torn > 0)
            found.Add(Repaired($"{torn} bytes of an unfinished line were cut off, as a power cut leaves them"));
        var (number, hash) = last is null ? (0, Origin) : (last.Number, last.Hash!);
        if (readable && Follows(number, hash))
        {
            if (number < Count)
            {
                var lines = $"entries {number + 1} to {Count}";
                found.Add(Repaired($"{lines} were not in the file and are written from the journal"));
            }

            return new HistoryStart(this, number, found);
        }

        if (readable && number > Count)
        {
            found.Add(Repaired(
                $"the journal knew {Count} entries and the history has {number}: "
                + "the journal was lost, or an older copy of it taken"));
            return new HistoryStart(new HistoryMark { Count = number, Hash = hash, Missed = Missed }, number, found);
        }

        // What is missing stays missing: the next line follows what was there, so that every later look finds the
        // break.
        var damage = readable
            ? $"the history ends at entry {number}, and {Count} were written"
            : "the history's last line was changed";
        found.Add(new HistoryEvent(HistoryKind.Damaged) { Note = damage });
        return new HistoryStart(this with { Pending = [] }, Count, found);
    }

    private static HistoryEvent Repaired(string note) => new(HistoryKind.Repaired) { Note = note };

    /// <summary>Whether a file that ends so has all that it should, but for lines that wait here.</summary>
    private bool Follows(long number, string hash)
    {
        if (number == Count) return hash == Hash;
        if (number > Count || Count - number > Pending.Count) return false;
        var text = Encoding.UTF8.GetBytes(Pending[^(int)(Count - number)]);
        return HistoryLine.Read(text, out var fits) is { } next && fits && next.Previous == hash;
    }
}

/// <summary>What a daemon that starts goes on from.</summary>
/// <param name="Mark">The mark.</param>
/// <param name="Written">The number of the last line that the file has.</param>
/// <param name="Found">What was found, to be recorded in the history itself.</param>
public sealed record HistoryStart(HistoryMark Mark, long Written, IReadOnlyList<HistoryEvent> Found);
