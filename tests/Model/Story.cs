using System.Globalization;
using System.Text;

namespace LivepatchAgent.Model;

/// <summary>A run, turn by turn, as a table that a person can read.</summary>
internal sealed class Story
{
    private static readonly string[] Heads =
        ["turn", "time", "boot", "incident", "step", "phase after it", "what the kernel runs"];

    private readonly List<string[]> _rows = [];

    /// <summary>The turn that just ended.</summary>
    public void Add(World world)
    {
        var daemon = world.Daemon;
        _rows.Add(
        [
            world.Turn.ToString(CultureInfo.InvariantCulture),
            Time(world.Elapsed),
            world.Kernel.Boot.ToString(CultureInfo.InvariantCulture),
            string.Join(", ", world.Oracle.Befallen.Select(i => $"{Sequence.What(i)} ({Sequence.Word(i.Point)})")),
            daemon is { Step: { } step } ? Beliefs.StepWord(step) : "-",
            daemon is null ? "no daemon" : Beliefs.PhaseWord(daemon.State),
            Kernel(world.Kernel),
        ]);
    }

    public void Say(string what) => _rows.Add(["", "", "", what, "", "", ""]);

    /// <summary>The table; rows in which nothing changed are counted and left out.</summary>
    public override string ToString()
    {
        var rows = Folded();
        var widths = Heads.Select((head, i) => Math.Max(head.Length, rows.Max(r => r[i].Length))).ToArray();
        var text = new StringBuilder();
        Line(text, Heads, widths);
        Line(text, [.. widths.Select(w => new string('-', w))], widths);
        foreach (var row in rows) Line(text, row, widths);
        return text.ToString();
    }

    private List<string[]> Folded()
    {
        var folded = new List<string[]>();
        var same = 0;
        for (var i = 0; i < _rows.Count; i++)
        {
            var row = _rows[i];
            var isLast = i + 1 == _rows.Count;
            if (!isLast && folded.Count > 0 && row[3].Length == 0 && row.AsSpan(4).SequenceEqual(folded[^1].AsSpan(4)))
            {
                same++;
                continue;
            }

            if (same > 0) folded.Add(["", "", "", $"({same} more like that)", "", "", ""]);
            same = 0;
            folded.Add(row);
        }

        return folded;
    }

    private static void Line(StringBuilder text, string[] cells, int[] widths)
    {
        for (var i = 0; i < cells.Length; i++)
        {
            if (i > 0) text.Append("  ");
            text.Append(i + 1 == cells.Length ? cells[i] : cells[i].PadRight(widths[i]));
        }

        text.AppendLine();
    }

    private static string Time(TimeSpan time) => time.Days > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{time.Days} d {time:hh\\:mm\\:ss}")
        : time.ToString("hh\\:mm\\:ss\\.f", CultureInfo.InvariantCulture);

    private static string Kernel(Kernel kernel)
    {
        var modules = kernel.Modules.Select(m => $"{m.Patch.Papers.Name} {Word(m)}");
        var text = string.Join(", ", modules);
        return kernel.Release == 0 ? text : $"[other kernel] {text}";
    }

    private static string Word(Kernel.Module module) => (module.Listed, module.Enabled, module.Transition) switch
    {
        (false, _, _) => "left over",
        (_, true, true) => "switching",
        (_, true, false) => "applied",
        (_, false, true) => "reverting",
        _ => "disabled",
    };
}
