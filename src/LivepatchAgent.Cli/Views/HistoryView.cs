using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Cli.Views;

/// <summary>`history` for people: a line for each entry, oldest first.</summary>
internal static class HistoryView
{
    private const int ShortDigest = 12;

    public static string Render(HistoryAnswer history, Style style)
    {
        if (history.Entries.Count == 0) return "nothing has happened yet\n";
        var text = new StringBuilder();
        foreach (var line in history.Entries)
        {
            text.Append($"{Words.Instant(line.At)}  {style.Clean(line.Kind),-17}");
            if (line.Patch is { } patch) text.Append($"  {Patch(patch, style)}");
            if (line.Problem is { } code) text.Append($"  [{style.Clean(code)}]");
            if (line.Note is { } note) text.Append($"  {style.Clean(note)}");
            if (line.By is { } by) text.Append($"  ({By(by, style)})");
            text.Append('\n');
        }

        return text.ToString();
    }

    public static string Verdict(HistoryVerdict verdict, Style style)
    {
        if (verdict is { Whole: true, Last: 0 }) return $"{style.Of(Mark.Good)} whole: no entry was ever written\n";
        var text = new StringBuilder($"{Finding(verdict, style)}\n");
        foreach (var fault in verdict.Faults) text.Append($"  {style.Clean(fault)}\n");
        if (verdict.Missed > 0)
            text.Append($"  {Words.Count(verdict.Missed, "thing")} happened, counted but not kept\n");
        return text.ToString();
    }

    private static string Finding(HistoryVerdict verdict, Style style)
    {
        if (!verdict.Whole) return $"{style.Of(Mark.Bad)} broken: the history is not as the agent wrote it";
        var last = style.Clean(verdict.Hash);
        return $"{style.Of(Mark.Good)} whole: entries {verdict.First} to {verdict.Last}, the last is {last}";
    }

    private static string Patch(HistoryPatch patch, Style style)
    {
        var manifest = $"manifest {Short(patch.ManifestDigest, style)}";
        if (patch.Name is null) return manifest;
        var module = patch.Module is { } digest ? $", module {Short(digest, style)}" : "";
        var signer = patch.Signer is { } key ? $", signed by {Short(key, style)}" : "";
        return $"{style.Clean(patch.Name)} {style.Clean(patch.Version ?? "")} ({manifest}{module}{signer})";
    }

    private static string By(HistoryBy by, Style style) => by switch
    {
        { Server: { } server } => $"by {style.Clean(server)}",
        { Uid: { } uid } => $"by uid {uid}, {style.Clean(by.Program ?? "a process")} {by.Pid}",
        _ => "by somebody",
    };

    private static string Short(string digest, Style style) =>
        style.Clean(digest.Length > ShortDigest ? digest[..ShortDigest] + "…" : digest);
}
